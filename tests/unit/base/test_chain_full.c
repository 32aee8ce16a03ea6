/* SPDX-License-Identifier: Apache-2.0 */
#include <criterion/criterion.h>

#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "base/chain.h"

#include "place.h"

/* From here on the file takes `more` bytes; SIZE_MAX: as many as come. */
static void
leave_room(const struct place *place, size_t more)
{
    struct rlimit limit = {RLIM_INFINITY, RLIM_INFINITY};
    struct stat status;

    signal(SIGXFSZ, SIG_IGN);
    cr_assert_eq(getrlimit(RLIMIT_FSIZE, &limit), 0);
    cr_assert_eq(fstat(place->fd, &status), 0);
    limit.rlim_cur = more == SIZE_MAX ? limit.rlim_max : (rlim_t)status.st_size + more;
    cr_assert_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

/* The disk is full after any number of bytes of the flush; then there is room again. */
Test(chain, recovers_from_a_full_disk_without_a_restart, .timeout = 60)
{
    size_t full = 0;

    for (size_t room = 0; full == 0 || room < full; room += 1 + room % 3) {
        struct place place = place_new();
        struct chain *chain = place_chain(&place);
        struct fault why = FAULT_INIT;
        struct verify_result result;
        uint64_t before;

        place_gather(chain, 1);
        place_flush(chain);
        place_gather(chain, 2);
        place_gather(chain, 3);
        full = chain_pending(chain);
        leave_room(&place, room);
        cr_assert_eq(chain_flush(chain, false, &why), KS_ERR_AUDIT_UNWRITABLE);
        cr_assert_not_null(strstr(why.text, "main-1"));
        cr_assert(chain_failed(chain));
        before = place_head(chain);
        /* And still full: what is gathered now is refused too. */
        place_gather(chain, 4);
        leave_room(&place, 0);
        cr_assert_eq(chain_flush(chain, true, &why), KS_ERR_AUDIT_UNWRITABLE);
        cr_assert_eq(place_head(chain), before);
        leave_room(&place, SIZE_MAX);
        cr_assert(chain_pending(chain) > 0);
        place_gather(chain, 5);
        cr_assert_eq(chain_flush(chain, true, &why), KS_OK, "%s", why.text);
        cr_assert_not(chain_failed(chain));
        cr_assert_not(chain_dirty(chain));
        chain_free(chain);
        chain = place_chain(&place);
        place_gather(chain, 6);
        place_flush(chain);
        chain_free(chain);
        result = place_verify(&place, KS_OK);
        cr_assert(result.n_torn <= 1);
        close(place.fd);
    }
}

/* The disk gives a few bytes at a time: also the closing of the torn line is torn, again and again.
 */
Test(chain, recovers_when_the_recovery_is_torn_too, .timeout = 60)
{
    for (size_t step = 1; step < 700; step += step < 20 ? 1 : 37) {
        struct place place = place_new();
        struct chain *chain = place_chain(&place);
        struct fault why = FAULT_INIT;
        bool written = false;
        uint64_t n = 0;
        char *text;

        for (int i = 0; i < 12 && !written; i++) {
            place_gather(chain, ++n);
            leave_room(&place, step);
            written = chain_flush(chain, false, &why) == KS_OK;
        }
        leave_room(&place, SIZE_MAX);
        place_gather(chain, 1000);
        place_flush(chain);
        chain_free(chain);
        text = place_text(&place);
        cr_assert_not_null(strstr(text, "\"request\":1000,"));
        free(text);
        place_verify(&place, KS_OK);
        close(place.fd);
    }
}

Test(chain, counts_the_records_that_were_withdrawn)
{
    struct place place = place_new();
    struct chain *chain = place_chain(&place);
    struct fault why = FAULT_INIT;
    char *text;

    for (uint64_t i = 0; i < 3; i++) {
        place_gather(chain, i);
        place_gather(chain, i);
        leave_room(&place, 0);
        cr_assert_eq(chain_flush(chain, false, &why), KS_ERR_AUDIT_UNWRITABLE);
    }
    leave_room(&place, SIZE_MAX);
    place_flush(chain);
    text = place_text(&place);
    cr_assert_not_null(strstr(text, "\"event\":\"unwritable\",\"withdrawn\":6,"), "%s", text);
    cr_assert_null(strstr(text, "\"event\":\"sign\""));
    free(text);
    chain_free(chain);
    place_verify(&place, KS_OK);
    close(place.fd);
}

Test(chain, says_continued_even_if_the_disk_was_full_at_the_rotation)
{
    for (size_t room = 0; room < 900; room += 7) {
        struct place place = place_new();
        struct fault why = FAULT_INIT;
        const struct chain_past past = {.seq = 9, .hash = {1}};
        struct chain *chain;

        cr_assert_eq(chain_open_next(place_open(&place), "main-1", &past, &chain, &why), KS_OK);
        for (int i = 0; i < 2; i++) {
            place_gather(chain, 1);
            leave_room(&place, room);
            (void)!chain_flush(chain, false, &why);
        }
        leave_room(&place, SIZE_MAX);
        place_gather(chain, 2);
        place_flush(chain);
        chain_free(chain);
        cr_assert_eq(place_verify(&place, KS_OK).first_seq, 10);
        close(place.fd);
    }
}
