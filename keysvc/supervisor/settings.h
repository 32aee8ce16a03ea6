/* SPDX-License-Identifier: Apache-2.0 */
/*
 * settings - one loaded configuration, shared by all who still live by it
 *
 * After a reload the tokens whose section changed live by the old one until they are gone.
 */
#pragma once

#include "ipc/config.h"

struct settings;

/* Takes the configuration, also when it fails. Starts with one reference. */
ks_err settings_new(struct config *config, struct settings **out) KS_MUST_CHECK;
struct settings *settings_ref(struct settings *settings);
/* Takes NULL; returns NULL. */
struct settings *settings_unref(struct settings *settings);

const struct config *settings_config(const struct settings *settings);

/* The packed configuration, as CONTROL_CONFIG carries it. */
const struct buf *settings_packed(const struct settings *settings);

/* Both say the same about this token, profile included; false if one does not know it. */
bool settings_same_token(const struct settings *a, const struct settings *b, const char *token);

/* NULL: a reload may go from `old` to `new`; else the name of the option that needs a restart. */
const char *settings_needs_restart(const struct config *old, const struct config *new);
