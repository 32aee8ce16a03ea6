/* SPDX-License-Identifier: Apache-2.0 */
/*
 * hold - the front's thread stands still while the test makes something come to it in one turn
 */
#pragma once

#include "harness.h"

/* Returns when it stands. One hold at a time. */
void hold_begin(const struct harness *h);
void hold_let_go(void);
/* After an answer: the front has gone on. */
void hold_end(void);
