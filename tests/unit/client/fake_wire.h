/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fake_wire - what the fake server's own files share: the generated types
 */
#pragma once

#include "fake_server.h"
#include "proto/keysvc.pb-c.h"

/* In one piece, or one byte at a time. */
void fake_send(int fd, const Keysvc__V1__Response *response, bool in_bytes);
