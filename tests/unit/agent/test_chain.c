/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_chain - certificates as one run of bytes and back
 */
#include <criterion/criterion.h>

#include "agent_rig.h"
#include "client/agent/certificate/chain.h"

Test(chain, comes_back_from_the_store_as_it_went)
{
    ks_auto(identity_set_deinit) struct identity_set set = {0}, other = {0};
    ks_auto(buf_deinit) struct buf joined = BUF_INIT, pem = BUF_INIT;
    ks_auto(chain_certificates_freep) struct ks_chain *back = NULL;

    rig_set(&set, SET_ISSUED, 1);
    rig_set(&other, SET_ISSUED, 2);
    cr_assert(chain_join(set.chain, &joined) == KS_OK && chain_join(other.chain, &joined) == KS_OK);
    cr_assert(chain_split(joined.data, joined.len, &back) == KS_OK);
    cr_assert(back->n_certificates == 2);
    cr_assert(back->certificates[1].len == other.chain->certificates[0].len);
    cr_assert(memcmp(back->certificates[1].data, other.chain->certificates[0].data,
                     back->certificates[1].len) == 0);
    cr_assert(chain_pem(back, 1, 1, &pem) == KS_OK);
    buf_append(&pem, "", 1);
    cr_assert(strncmp((char *)pem.data, "-----BEGIN CERTIFICATE-----\n", 28) == 0);
}

Test(chain, that_is_cut_or_has_something_behind_it_is_refused)
{
    ks_auto(identity_set_deinit) struct identity_set set = {0};
    ks_auto(buf_deinit) struct buf joined = BUF_INIT;
    struct ks_chain *back = NULL;

    rig_set(&set, SET_ISSUED, 1);
    cr_assert(chain_join(set.chain, &joined) == KS_OK);
    for (size_t len = 0; len < joined.len; len++)
        cr_assert(chain_split(joined.data, len, &back) != KS_OK, "%zu", len);
    buf_append(&joined, "\x30", 1);
    cr_assert(chain_split(joined.data, joined.len, &back) != KS_OK);
    cr_assert(chain_split("\x30\x80\x00\x00", 4, &back) != KS_OK);
    cr_assert_null(back);
}

Test(chain, a_subject_moves_no_cursor_and_turns_no_text)
{
    X509_NAME *name = X509_NAME_new();
    char text[CHAIN_SUBJECT_MAX];

    cr_assert_eq(X509_NAME_add_entry_by_txt(
                     name, "CN", MBSTRING_UTF8,
                     (const unsigned char *)"\303\244\302\2332J\033[2J\342\200\256\342\201\246z",
                     -1, -1, 0),
                 1);
    chain_name_text(name, text, sizeof(text));
    cr_assert_str_eq(text, "CN=\303\244??2J\\1B[2J??????z");
    /* No half of a character. */
    chain_name_text(name, text, 5);
    cr_assert_str_eq(text, "CN=");
    chain_name_text(name, text, 6);
    cr_assert_str_eq(text, "CN=\303\244");
    X509_NAME_free(name);
}
