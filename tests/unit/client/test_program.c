/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_program - what a client calls itself: keysvcd refuses a Hello with a longer name or with bytes
 * that are no text (front/request.h: REQUEST_PROGRAM_MAX)
 */
#include <criterion/criterion.h>

#include <stdio.h>

#include "client_rig.h"

#define LONGEST 63

/* What reaches the service. */
static void
sent_as(const char *program, char out[static FAKE_PROGRAM_MAX])
{
    struct fake_server *server = fake_server_start(NULL, client_rig_answer, NULL);
    struct ks_client *client = client_rig_new(server);
    struct ks_error error;

    ks_client_set_program(client, program);
    cr_assert_eq(client_rig_sign(client, "x", &error), KS_OK, "%s", error.message);
    fake_server_program(server, out);
    ks_client_free(client);
    fake_server_stop(server, true);
}

Test(program, a_name_that_fits_is_sent_as_it_is)
{
    char out[FAKE_PROGRAM_MAX], longest[LONGEST + 1];

    sent_as("nginx", out);
    cr_expect_str_eq(out, "nginx");
    sent_as("", out);
    cr_expect_str_eq(out, "");
    memset(longest, 'a', LONGEST);
    longest[LONGEST] = '\0';
    sent_as(longest, out);
    cr_expect_str_eq(out, longest);
}

Test(program, a_longer_name_is_cut_to_what_the_service_takes)
{
    char out[FAKE_PROGRAM_MAX], name[200];

    memset(name, 'a', sizeof(name) - 1);
    name[sizeof(name) - 1] = '\0';
    sent_as(name, out);
    cr_expect_eq(strlen(out), LONGEST);
}

Test(program, is_not_cut_in_the_middle_of_a_character)
{
    char out[FAKE_PROGRAM_MAX], name[LONGEST + 8], expected[LONGEST];

    snprintf(expected, sizeof(expected), "%0*d", LONGEST - 1, 0);
    snprintf(name, sizeof(name), "%s\u00e9", expected);
    sent_as(name, out);
    cr_expect_str_eq(out, expected);
    snprintf(name, sizeof(name), "%s\u00e9", expected + 1);
    sent_as(name, out);
    cr_expect_str_eq(out, name);
}

Test(program, what_is_no_text_becomes_a_question_mark)
{
    char out[FAKE_PROGRAM_MAX];

    sent_as("a\nb\x7f\xc2\x85"
            "c\xff\xc3",
            out);
    cr_expect_str_eq(out, "a?b???c??");
    sent_as("\xc0\x80\xed\xa0\x80\xf5", out);
    cr_expect_str_eq(out, "??????");
    sent_as("\u20ac \U0001f511", out);
    cr_expect_str_eq(out, "\u20ac \U0001f511");
}
