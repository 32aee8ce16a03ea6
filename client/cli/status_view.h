/* SPDX-License-Identifier: Apache-2.0 */
/*
 * status_view - the service's state for people: at once, and from look to look with rates
 */
#pragma once

#include "client/cli/token_view.h"

/* One look at the service. */
struct status_look {
    uint64_t at_ms; /* on the monotonic clock */
    struct ks_status *status;
    struct ks_metrics *metrics; /* NULL: the caller is no administrator */
};

/* Takes zeroed ones. */
void status_look_deinit(struct status_look *look);

/* Service, caller and tokens; free(). NULL: no memory. */
char *status_view_text(const struct ks_status *status);

/* The same and, for administrators, what was done in each second between the two looks. `before`
 * without metrics, or of a front that is gone: no rates. */
char *status_view_rates(const struct status_look *before, const struct status_look *now);

/* The front has been started since: what it counts began anew. */
bool status_view_restarted(const struct status_look *before, const struct status_look *now);
