/* SPDX-License-Identifier: Apache-2.0 */
/*
 * notify - what the service manager is told; nothing happens where there is none
 */
#pragma once

#include "base/util.h"

void notify_ready(void); /* also ends a reload */
void notify_reloading(void);
void notify_stopping(void);
void notify_status(const char *text);

/* Milliseconds between two notify_watchdog(); 0: nobody asks for it. */
uint32_t notify_watchdog_ms(void);
void notify_watchdog(void);
