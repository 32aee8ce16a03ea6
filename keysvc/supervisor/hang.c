/* SPDX-License-Identifier: Apache-2.0 */
/*
 * hang - bounds by phase
 */
#include "supervisor/hang.h"

static const char *const phase_names[] = {
    [PULSE_IDLE] = "idle",   [PULSE_CALL] = "call", [PULSE_GENERATE] = "generate",
    [PULSE_LOGIN] = "login", [PULSE_GATE] = "gate",
};

static uint64_t bound_ms(const struct config_profile *profile, uint32_t phase);

const char *
hang_phase_name(enum pulse_phase phase)
{
    return (size_t)phase < ARRAY_LEN(phase_names) ? phase_names[phase] : "unknown";
}

enum hang_verdict
hang_check(struct hang *hang, const struct pulse *pulse, const struct config_profile *profile,
           bool ready, uint64_t now_ms, enum pulse_phase *phase, uint64_t *age_ms)
{
    uint64_t n_calls = atomic_load(&pulse->n_calls);
    uint32_t now_in = atomic_load(&pulse->phase);
    uint64_t since_ms = atomic_load(&pulse->since_ms);
    bool same = hang->over && hang->n_calls == n_calls && hang->phase == now_in;
    bool over =
        now_in != PULSE_IDLE && since_ms < now_ms && now_ms - since_ms > bound_ms(profile, now_in);

    hang->n_calls = n_calls;
    hang->phase = now_in;
    hang->over = over;
    if (!over || !same)
        return HANG_NONE;
    *phase = now_in;
    *age_ms = now_ms - since_ms;
    if (!profile->kill_in_login && (now_in == PULSE_LOGIN || !ready))
        return HANG_SPARE;
    return HANG_KILL;
}

static uint64_t
bound_ms(const struct config_profile *profile, uint32_t phase)
{
    switch (phase) {
    case PULSE_GENERATE:
        return profile->generate_timeout_ms;
    case PULSE_GATE:
        return HANG_GATE_MS;
    default:
        return profile->hang_timeout_ms;
    }
}

bool
hang_idle(const struct pulse *pulse, uint64_t ms, uint64_t now_ms)
{
    uint32_t phase = atomic_load(&pulse->phase);
    uint64_t since_ms = atomic_load(&pulse->since_ms);

    return phase == PULSE_IDLE && since_ms <= now_ms && now_ms - since_ms >= ms;
}
