/* SPDX-License-Identifier: Apache-2.0 */
#include <criterion/criterion.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#include "front/audit.h"

static const struct peer peer = {.uid = 33, .gid = 33, .pid = 7};
static const struct audit_request request = {
    .request_id = 9,
    .peer = &peer,
    .operation = "sign",
    .subject = "web/shop@1",
    .rule = "nginx",
    .outcome = "forwarded",
    .reason = "",
};

/* On a file without a name. */
static struct audit *
audit_made(int *fd)
{
    char path[] = "/tmp/keysvc-audit-XXXXXX";
    struct fault why = FAULT_INIT;
    struct audit *audit;

    *fd = mkostemp(path, O_APPEND | O_CLOEXEC);
    cr_assert_geq(*fd, 0);
    unlink(path);
    cr_assert_eq(audit_new(dup(*fd), -1, false, &audit, &why), KS_OK, "%s", why.text);
    return audit;
}

static size_t
lines_of(int fd)
{
    char text[65536];
    size_t n_lines = 0;
    off_t at = 0;
    ssize_t len;

    while ((len = pread(fd, text, sizeof(text), at)) > 0) {
        for (ssize_t i = 0; i < len; i++)
            n_lines += text[i] == '\n';
        at += len;
    }
    return n_lines;
}

Test(audit, a_turn_may_have_more_records_than_a_chain_gathers)
{
    const size_t n = 60000;
    struct audit *audit;
    int fd;

    audit = audit_made(&fd);
    for (size_t i = 0; i < n; i++)
        audit_request(audit, &request);
    cr_assert(audit_flush(audit));
    cr_assert_eq(lines_of(fd), n);
    audit_free(audit);
    close(fd);
}

Test(audit, what_was_lost_within_a_turn_fails_at_its_end)
{
    struct rlimit small = {1, RLIM_INFINITY}, large = {RLIM_INFINITY, RLIM_INFINITY};
    struct audit *audit;
    int fd;

    audit = audit_made(&fd);
    signal(SIGXFSZ, SIG_IGN);
    cr_assert_eq(setrlimit(RLIMIT_FSIZE, &small), 0);
    for (size_t i = 0; i < 6000; i++)
        audit_request(audit, &request);
    cr_assert_eq(setrlimit(RLIMIT_FSIZE, &large), 0);
    cr_assert_not(audit_flush(audit), "records of this turn are missing");
    audit_request(audit, &request);
    cr_assert(audit_flush(audit));
    audit_free(audit);
    close(fd);
}
