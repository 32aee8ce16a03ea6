/* SPDX-License-Identifier: Apache-2.0 */
/*
 * metrics_view - how metrics are shown: for Prometheus, and as JSON
 */
#pragma once

#include "client/cli/output.h"

/* Prometheus' text exposition form 0.0.4; free(). NULL: no memory. */
char *metrics_view_text(const struct ks_metrics *metrics);

/* A new reference; NULL: no memory. */
json_t *metrics_view_json(const struct ks_metrics *metrics);

/* For ks_auto. */
void metrics_freep(struct ks_metrics **metrics);
