/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sessions - how many sessions of a device are open, over all processes
 *
 * Each is a lock on one byte of FOLDER/sessions, which the kernel takes back from a process that
 * dies. This process's own are remembered with their slot.
 */
#pragma once

#include <p11-kit/pkcs11.h>
#include <stdbool.h>

#define SESSIONS_MAX 1024 /* of one device; what is open beyond is not counted */

/* False: errno says why. */
bool sessions_start(const char *folder);

/* A place among the first `max` that is free (0: among all), or -1. */
int sessions_take(unsigned long max);

/* Whose place it is; and the places of one session, of a slot's, of all are free again. */
void sessions_name(int place, CK_SLOT_ID slot, CK_SESSION_HANDLE session);
void sessions_put(int place);
void sessions_put_one(CK_SESSION_HANDLE session);
void sessions_put_slot(CK_SLOT_ID slot);
void sessions_put_all(void);
