/* SPDX-License-Identifier: Apache-2.0 */
#include <criterion/criterion.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/resource.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/secret.h"

#ifndef __SANITIZE_ADDRESS__ /* it makes mlock() do nothing */
/* VmLck of this process in KiB. */
static long
locked_kib(void)
{
    FILE *file = fopen("/proc/self/status", "r");
    char line[256];
    long kib = -1;

    while (file && fgets(line, sizeof(line), file)) {
        if (sscanf(line, "VmLck: %ld", &kib) == 1)
            break;
    }
    if (file)
        fclose(file);
    return kib;
}

Test(secret, is_locked_while_it_lives)
{
    struct secret *secret = NULL;
    long before = locked_kib();

    cr_assert_eq(secret_new(&secret), KS_OK);
    cr_assert_gt(locked_kib(), before);
    memcpy(secret->text, "1234", 4);
    secret->len = 4;
    cr_assert_null(secret_free(secret));
    cr_assert_eq(locked_kib(), before);
    cr_assert_null(secret_free(NULL));
}

Test(secret, is_refused_where_memory_cannot_be_locked)
{
    struct rlimit none = {0, 0};
    struct secret *secret = NULL;

    if (geteuid() == 0)
        cr_assert_eq(setresuid(65534, 65534, 65534), 0, "root may lock what it likes");
    cr_assert_eq(setrlimit(RLIMIT_MEMLOCK, &none), 0);
    cr_assert_eq(secret_new(&secret), KS_ERR_INTERNAL);
    cr_assert_null(secret);
}
#endif

Test(clock, writes_a_time_as_rfc_3339)
{
    char text[CLOCK_TEXT_LEN];

    clock_text(1795306696123456, text);
    cr_assert_str_eq(text, "2026-11-22T00:18:16.123456Z");
    clock_text(0, text);
    cr_assert_str_eq(text, "1970-01-01T00:00:00.000000Z");
}

Test(clock, moves_only_as_this_process_sees_it)
{
    uint64_t before = clock_mono_ms();

    clock_shift(3600LL * 1000000, -3600LL * 1000000);
    cr_assert_geq(clock_mono_ms(), before + 3600 * 1000);
    clock_shift(0, 0);
}

static void
catch_stderr(int ends[static 2])
{
    cr_assert_eq(pipe(ends), 0);
    cr_assert_geq(dup2(ends[1], STDERR_FILENO), 0);
}

Test(log, one_event_is_one_line_whatever_is_in_it)
{
    char line[4096] = {0}, wide[4000];
    int ends[2], saved = dup(STDERR_FILENO);

    memset(wide, 'w', sizeof(wide));
    wide[sizeof(wide) - 1] = '\0';
    catch_stderr(ends);
    log_init("test", LOG_LEVEL_INFO);
    log_debug("not shown");
    log_error("a=%s", "line\nbreak");
    log_info("%s", wide);
    dup2(saved, STDERR_FILENO);
    close(ends[1]);
    cr_assert_gt(read(ends[0], line, sizeof(line) - 1), 0);
    cr_assert_eq(strncmp(line, "<3>test: a=line?break\n<6>test: www", 34), 0, "%.60s", line);
    cr_assert_eq(line[strlen(line) - 1], '\n', "a cut line still ends");
}

Test(log, nothing_but_printable_ascii_is_written)
{
    char line[256] = {0};
    int ends[2], saved = dup(STDERR_FILENO);

    catch_stderr(ends);
    log_init("test", LOG_LEVEL_INFO);
    log_info("a=%s", "\xc2\x9b"
                     "31m\xff\177");
    dup2(saved, STDERR_FILENO);
    close(ends[1]);
    cr_assert_gt(read(ends[0], line, sizeof(line) - 1), 0);
    cr_assert_str_eq(line, "<6>test: a=??31m??\n");
}

Test(log, a_peers_text_cannot_end_its_quotes)
{
    char text[8];

    cr_assert_str_eq(LOG_TEXT("x\" uid=0 \\\n\xc3\xa4z"), "x? uid=0 ????z");
    cr_assert_str_eq(LOG_TEXT(""), "");
    cr_assert_str_eq(log_text(text, sizeof(text), "123456789"), "1234567");
}

Test(log, repeats_are_counted_instead_of_written)
{
    struct log_limit limit = {0};
    int n_allowed = 0;

    for (int i = 0; i < 100; i++)
        n_allowed += log_allowed(&limit, 5);
    cr_assert_leq(n_allowed, 10, "a second may have begun in between");
    cr_assert_eq(limit.swallowed, (uint32_t)(100 - n_allowed));
    clock_shift(2000000, 0);
    cr_assert(log_allowed(&limit, 5));
}
