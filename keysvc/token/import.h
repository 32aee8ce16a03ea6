/* SPDX-License-Identifier: Apache-2.0 */
/*
 * import - bringing a private key from a file onto the token
 *
 * A change (change.h). The file and its password come in sealed memory that nobody but the caller
 * and this process reads; what is taken out of them is wiped before the answer. The key counts as
 * imported when a signature that the token made with it verifies; until then every failure takes
 * back what was created.
 */
#pragma once

#include "token/worker.h"

/*
 * JOB_IMPORT. BAD_REQUEST: no such file, wrong password, no type of key that the class takes; EXISTS;
 * UNSUPPORTED: the token takes no keys, or not as they have to be kept. OUTCOME_UNKNOWN: the token
 * failed in the middle and does not say what it has.
 */
ks_err import_run(struct worker *worker, const struct job *job, struct answer *answer,
                  struct fault *why) KS_MUST_CHECK;
