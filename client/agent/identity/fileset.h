/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fileset - certificate sets as files, for programs; whole or not there
 *
 *     FOLDER/sets/7/{certificate.pem,chain.pem,fullchain.pem,reference.pem}
 *     FOLDER/current -> sets/7
 *
 * A set is written beside its place, synced and renamed into it, and never changed. What a switch
 * needs room for is done by fileset_write() and fileset_prepare(), before the store's commit; behind
 * it stands one rename. `folder` is a descriptor of FOLDER. A reader that opens `current` as a folder
 * and reads through that descriptor sees one set.
 *
 *   fileset_write() -> fileset_prepare() -> (commit) -> fileset_publish() -> fileset_prune()
 */
#pragma once

#include "client/agent/identity/identity.h"

/* Makes sets/NUMBER, unless it is there with this content already. INTERNAL: the disk. */
ks_err fileset_write(int folder, const struct identity_set *set, struct fault *why) KS_MUST_CHECK;

/* Makes the link that fileset_publish() puts in the place of `current`. */
ks_err fileset_prepare(int folder, int64_t number, struct fault *why) KS_MUST_CHECK;
ks_err fileset_publish(int folder, struct fault *why) KS_MUST_CHECK;

/* Removes the sets that are not among `keep`, and what a crash left half made. */
void fileset_prune(int folder, const int64_t *keep, size_t n_keep);

/* Where `current` leads; 0: nowhere. */
int64_t fileset_current(int folder);
