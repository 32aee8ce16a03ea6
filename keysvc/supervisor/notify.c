/* SPDX-License-Identifier: Apache-2.0 */
/*
 * notify - sd_notify
 */
#include "supervisor/notify.h"

#include <inttypes.h>
#include <systemd/sd-daemon.h>

#include "base/clock.h"

#define STATUS_MAX_LEN 400

void
notify_ready(void)
{
    sd_notify(0, "READY=1");
}

void
notify_reloading(void)
{
    sd_notifyf(0, "RELOADING=1\nMONOTONIC_USEC=%" PRIu64, clock_mono_us());
}

void
notify_stopping(void)
{
    sd_notify(0, "STOPPING=1");
}

void
notify_status(const char *text)
{
    sd_notifyf(0, "STATUS=%.*s", STATUS_MAX_LEN, text);
}

uint32_t
notify_watchdog_ms(void)
{
    uint64_t interval_us = 0;

    if (sd_watchdog_enabled(0, &interval_us) <= 0)
        return 0;
    return interval_us < 2000 ? 1 : (uint32_t)(interval_us / 2000);
}

void
notify_watchdog(void)
{
    sd_notify(0, "WATCHDOG=1");
}
