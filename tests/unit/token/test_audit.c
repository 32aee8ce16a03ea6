/* SPDX-License-Identifier: Apache-2.0 */
#include "token/audit.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>

#include <criterion/criterion.h>

#include "base/clock.h"
#include "ipc/channel.h"
#include "test_worker.h"

static struct bed *bed;
static struct audit *audit;

static void
set_up(void)
{
    bed = bed_new();
    audit = bed->worker.audit;
    bed->worker.config->audit_checkpoint_s = 60;
}

static void
tear_down(void)
{
    bed = bed_free(bed);
}

TestSuite(audit, .init = set_up, .fini = tear_down);

static void
write_one(bool sync)
{
    struct fault why = FAULT_INIT;

    audit_stop(audit);
    cr_assert_eq(audit_flush(audit, sync, &why), KS_OK, "%s", why.text);
}

Test(audit, wakes_up_to_sync_after_a_second_and_for_a_checkpoint_when_it_is_due)
{
    const struct config *config = bed->worker.config;
    int timeout_ms;

    cr_assert_eq(audit_timeout_ms(audit, config), -1, "nothing was written");
    write_one(false);
    cr_assert(audit_tick(audit, config), "the start is signed at once");
    audit_checkpoint_done(audit);
    write_one(false);
    timeout_ms = audit_timeout_ms(audit, config);
    cr_assert(timeout_ms > 0 && timeout_ms <= 1000);
    clock_shift(1000 * 1000, 0);
    cr_assert_eq(audit_timeout_ms(audit, config), 0);
    cr_assert_not(audit_tick(audit, config));
    cr_assert(audit_timeout_ms(audit, config) > 1000, "synced: only the checkpoint waits");
    clock_shift(60 * 1000 * 1000, 0);
    cr_assert(audit_tick(audit, config));
    audit_checkpoint_done(audit);
    cr_assert_not(audit_tick(audit, config));
    cr_assert_eq(audit_timeout_ms(audit, config), -1);
}

Test(audit, writes_nothing_once_keysvcd_is_gone)
{
    struct fault why = FAULT_INIT;
    struct job_stats before;
    int control[2];

    cr_assert_eq(channel_pair(control), KS_OK);
    audit_belongs(audit, control[1]);
    write_one(true);
    before = audit_stats(audit);
    close(control[0]);
    audit_stop(audit);
    cr_assert_eq(audit_flush(audit, true, &why), KS_ERR_AUDIT_UNWRITABLE);
    cr_assert_str_eq(why.text, "audit file main-1: keysvcd is gone");
    cr_assert_eq(audit_stats(audit).n_records, before.n_records);
    cr_assert_eq(bed_audit_count(bed, "\"event\":\"stop\""), 1);
    close(control[1]);
}

Test(audit, has_nothing_to_sync_after_a_synced_flush)
{
    write_one(true);
    bed->worker.config->audit_checkpoint_s = 0; /* none */
    cr_assert_eq(audit_timeout_ms(audit, bed->worker.config), -1);
}

Test(audit, says_what_is_written_and_what_is_on_the_disk)
{
    struct fault why = FAULT_INIT;
    struct job_stats before = audit_stats(audit), now;

    write_one(false);
    write_one(false);
    now = audit_stats(audit);
    cr_assert_eq(now.n_records, before.n_records + 2);
    cr_assert_eq(now.n_unsynced, 2);
    cr_assert_eq(now.n_syncs, before.n_syncs);
    cr_assert_eq(audit_flush(audit, true, &why), KS_OK);
    now = audit_stats(audit);
    cr_assert_eq(now.n_unsynced, 0);
    cr_assert_eq(now.n_syncs, before.n_syncs + 1);
    cr_assert_eq(audit_flush(audit, true, &why), KS_OK, "nothing to do is no sync");
    cr_assert_eq(audit_stats(audit).n_syncs, now.n_syncs);
    cr_assert_eq(now.n_failures, 0);
}

Test(audit, counts_what_cannot_be_written)
{
    struct fault why = FAULT_INIT;
    struct rlimit none = {.rlim_cur = 0, .rlim_max = RLIM_INFINITY};
    struct job_stats before = audit_stats(audit), now;

    signal(SIGXFSZ, SIG_IGN);
    cr_assert_eq(setrlimit(RLIMIT_FSIZE, &none), 0);
    audit_stop(audit);
    cr_assert_eq(audit_flush(audit, false, &why), KS_ERR_AUDIT_UNWRITABLE);
    now = audit_stats(audit);
    cr_assert_eq(now.n_failures, before.n_failures + 1);
    cr_assert_eq(now.n_records, before.n_records);
    cr_assert_eq(now.n_unsynced, before.n_unsynced);
}

static void
see(void *context, const char *label, enum ks_purpose purpose)
{
    enum ks_purpose *seen = context;

    if (strcmp(label, "web/a@1") == 0)
        *seen = purpose;
}

Test(audit, reads_back_which_purpose_a_key_had_last)
{
    enum ks_purpose seen = KS_PURPOSE_COUNT;

    audit_scan_purposes(bed->audit_fd, see, &seen);
    cr_assert_eq(seen, KS_PURPOSE_COUNT);
    audit_purpose(audit, "web/a@1", KS_PURPOSE_TLS_SERVER);
    audit_purpose(audit, "web/a@1", KS_PURPOSE_SIGN);
    audit_purpose(audit, "web/a@10", KS_PURPOSE_TLS);
    write_one(false);
    audit_scan_purposes(bed->audit_fd, see, &seen);
    cr_assert_eq(seen, KS_PURPOSE_SIGN);
}

Test(audit, continues_its_chain_in_a_new_file)
{
    char path[] = "/tmp/keysvc-unit-XXXXXX", text[CHAIN_CHECKPOINT_MAX];
    struct fault why = FAULT_INIT;
    int fd = mkostemp(path, O_APPEND | O_CLOEXEC);

    unlink(path);
    write_one(false);
    write_one(false);
    audit_checkpoint_text(audit, text);
    cr_assert(strstr(text, " chain=main-1 seq=2 "));
    audit_close(audit);
    cr_assert_eq(audit_reopen(audit, fd, &why), KS_OK, "%s", why.text);
    write_one(false);
    audit_checkpoint_text(audit, text);
    cr_assert_null(strstr(text, " seq=1 "));
    cr_assert_null(strstr(text, " seq=2 "));
}
