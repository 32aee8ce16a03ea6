/* SPDX-License-Identifier: Apache-2.0 */
/*
 * hostile - what the hostile module tries from inside of keysvc-token, one function an attempt
 *
 * The file "attempts" in the module's folder has one attempt a line, a word and what it is tried
 * on: `read /etc/keysvc/other.pin`, `kill 4711`. Each returns 0 (it was got) or an errno.
 */
#pragma once

#include <stddef.h>

typedef int (*hostile_attempt)(const char *on);

/* On files, other processes and the kernel: hostile_attempts.c. NULL: no such word. */
hostile_attempt hostile_attempt_find(const char *word);

/* Messages to the front and to keysvcd that no honest worker sends: hostile_lies.c. 0: it was
 * sent; who it was sent to decides what becomes of it. */
hostile_attempt hostile_lie_find(const char *word);

/* The PIN that C_Login was given, xor HOSTILE_MASK. */
#define HOSTILE_MASK 0x5a
struct hostile_pin {
    unsigned char masked[256];
    size_t len;
};
extern struct hostile_pin hostile_pin;
