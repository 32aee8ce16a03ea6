/* SPDX-License-Identifier: Apache-2.0 */
/*
 * news - what the supervisor sends a token process that serves, taken between two batches of jobs
 *
 * A failure of any sets exit_code.
 */
#pragma once

#include "token/worker.h"

/* Reads it. */
void news_read(struct worker *worker);

/* Takes all that was read. False: exit. */
bool news_take(struct worker *worker);

/* Takes only a configuration: what the front says goes on coming from where it came. False: exit. */
bool news_take_config(struct worker *worker);
