/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_hang - which call is beyond its bound, and who is spared
 */
#include <criterion/criterion.h>
#include <criterion/parameterized.h>

#include "supervisor/hang.h"

#define NOW_MS 1000000

struct row {
    enum pulse_phase phase;
    uint64_t age_ms;
    bool kill_in_login;
    bool ready;
    enum hang_verdict verdict;
};

/* hang-timeout 100 ms, generate-timeout 1000 ms */
static struct row rows[] = {
    {PULSE_IDLE, 5000, true, true, HANG_NONE},
    {PULSE_CALL, 50, true, true, HANG_NONE},
    {PULSE_CALL, 101, true, true, HANG_KILL},
    {PULSE_CALL, 101, false, true, HANG_KILL},
    {PULSE_CALL, 101, false, false, HANG_SPARE},
    {PULSE_CALL, 101, true, false, HANG_KILL},
    {PULSE_GENERATE, 101, true, true, HANG_NONE},
    {PULSE_GENERATE, 1001, false, true, HANG_KILL},
    {PULSE_LOGIN, 101, false, true, HANG_SPARE},
    {PULSE_LOGIN, 101, false, false, HANG_SPARE},
    {PULSE_LOGIN, 101, true, true, HANG_KILL},
    {PULSE_GATE, 1001, true, true, HANG_NONE},
    {PULSE_GATE, HANG_GATE_MS, true, true, HANG_NONE},
    {PULSE_GATE, HANG_GATE_MS + 1, true, true, HANG_KILL},
    {PULSE_GATE, HANG_GATE_MS + 1, false, true, HANG_KILL},
    {PULSE_GATE, HANG_GATE_MS + 1, false, false, HANG_SPARE},
    {(enum pulse_phase)77, 101, true, true, HANG_KILL},
};

ParameterizedTestParameters(hang, judges_by_phase_age_and_profile)
{
    return cr_make_param_array(struct row, rows, ARRAY_LEN(rows));
}

ParameterizedTest(struct row *row, hang, judges_by_phase_age_and_profile)
{
    struct config_profile profile = {
        .hang_timeout_ms = 100, .generate_timeout_ms = 1000, .kill_in_login = row->kill_in_login};
    struct pulse pulse = {.phase = row->phase, .since_ms = NOW_MS - row->age_ms, .n_calls = 3};
    struct hang hang = {0};
    enum pulse_phase phase;
    uint64_t age_ms;

    cr_assert_eq(hang_check(&hang, &pulse, &profile, row->ready, NOW_MS, &phase, &age_ms),
                 HANG_NONE);
    cr_assert_eq(hang_check(&hang, &pulse, &profile, row->ready, NOW_MS, &phase, &age_ms),
                 row->verdict);
    if (row->verdict != HANG_NONE)
        cr_assert_eq(age_ms, row->age_ms);
}

Test(hang, forgives_a_page_that_was_read_in_the_middle_of_a_change)
{
    struct config_profile profile = {.hang_timeout_ms = 100, .generate_timeout_ms = 1000};
    struct pulse pulse = {.phase = PULSE_CALL, .since_ms = NOW_MS - 5000, .n_calls = 3};
    struct hang hang = {0};
    enum pulse_phase phase;
    uint64_t age_ms;

    cr_assert_eq(hang_check(&hang, &pulse, &profile, true, NOW_MS, &phase, &age_ms), HANG_NONE);
    pulse.n_calls = 4;
    cr_assert_eq(hang_check(&hang, &pulse, &profile, true, NOW_MS, &phase, &age_ms), HANG_NONE);
}

Test(hang, takes_a_time_in_the_future_for_no_time_at_all)
{
    struct config_profile profile = {.hang_timeout_ms = 100, .generate_timeout_ms = 1000};
    struct pulse pulse = {.phase = PULSE_CALL, .since_ms = UINT64_MAX, .n_calls = 3};
    struct hang hang = {0};
    enum pulse_phase phase;
    uint64_t age_ms;

    for (int i = 0; i < 3; i++)
        cr_assert_eq(hang_check(&hang, &pulse, &profile, true, NOW_MS, &phase, &age_ms), HANG_NONE);
}

struct idle_row {
    enum pulse_phase phase;
    uint64_t since_ms;
    bool is_idle;
};

/* For 100 ms. */
static struct idle_row idle_rows[] = {
    {PULSE_IDLE, 0, true},
    {PULSE_IDLE, NOW_MS - 100, true},
    {PULSE_IDLE, NOW_MS - 99, false},
    {PULSE_IDLE, NOW_MS, false},
    {PULSE_IDLE, NOW_MS + 1, false},
    {PULSE_CALL, NOW_MS - 5000, false},
    {PULSE_GATE, NOW_MS - 5000, false},
};

ParameterizedTestParameters(hang, counts_idleness_from_the_end_of_the_last_call)
{
    return cr_make_param_array(struct idle_row, idle_rows, ARRAY_LEN(idle_rows));
}

ParameterizedTest(struct idle_row *row, hang, counts_idleness_from_the_end_of_the_last_call)
{
    struct pulse pulse = {.phase = row->phase, .since_ms = row->since_ms};

    cr_assert_eq(hang_idle(&pulse, 100, NOW_MS), row->is_idle);
}

Test(hang, names_each_phase)
{
    cr_assert_str_eq(hang_phase_name(PULSE_IDLE), "idle");
    cr_assert_str_eq(hang_phase_name(PULSE_LOGIN), "login");
    cr_assert_str_eq(hang_phase_name(PULSE_GATE), "gate");
    cr_assert_str_eq(hang_phase_name((enum pulse_phase)77), "unknown");
}
