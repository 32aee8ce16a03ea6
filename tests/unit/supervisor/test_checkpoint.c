/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_checkpoint - which checkpoints are kept, and which ones never replace those that are
 */
#include <criterion/criterion.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>
#include <stdio.h>

#include "signer.h"
#include "stage.h"
#include "supervisor/checkpoint.h"

#define TIME "2026-11-22T00:18:16.123456Z"

static struct stage stage;
static EVP_PKEY *key, *other_key;

static void
setup(void)
{
    stage_open(&stage, 1);
    key = EVP_EC_gen("P-256");
    other_key = EVP_EC_gen("P-256");
    cr_assert(key && other_key);
}

static void
teardown(void)
{
    EVP_PKEY_free(key);
    EVP_PKEY_free(other_key);
    stage_close(&stage);
}

TestSuite(checkpoint, .init = setup, .fini = teardown);

/* Of record `seq`, whose hash is `digit` over and over. */
static struct control_checkpoint
make(const char *chain, const char *token, unsigned int seq, char digit)
{
    struct control_checkpoint checkpoint = {.signature_len = 0};
    char hash[CHAIN_HASH_TEXT_LEN + 1];

    memset(hash, digit, CHAIN_HASH_TEXT_LEN);
    hash[CHAIN_HASH_TEXT_LEN] = '\0';
    snprintf(checkpoint.text, sizeof(checkpoint.text),
             CHAIN_CHECKPOINT_PREFIX "chain=%s seq=%u hash=%s time=" TIME, chain, seq, hash);
    text_copy(checkpoint.token, sizeof(checkpoint.token), token);
    cr_assert(signer_sign(key, &checkpoint));
    return checkpoint;
}

static ks_err
keep(const struct control_checkpoint *checkpoint, struct fault *why)
{
    bool of_front = strstr(checkpoint->text, " chain=front ") != NULL;

    *why = (struct fault)FAULT_INIT;
    return checkpoint_keep(stage.folder, of_front ? "front" : "main-1", of_front ? NULL : "main",
                           checkpoint, why);
}

static void
expect(ks_err expected, struct control_checkpoint checkpoint)
{
    struct fault why;
    ks_err err = keep(&checkpoint, &why);

    cr_assert_eq(err, expected, "%s of %s: %s", err_info(err)->name, checkpoint.text, why.text);
}

static void
remove_file(const char *name)
{
    char path[256];

    stage_path(&stage, name, path, sizeof(path));
    cr_assert_eq(unlink(path), 0);
}

/* What is kept of this chain begins so. */
static void
expect_kept(const char *file, const char *start)
{
    char text[1024];

    stage_read(&stage, file, text, sizeof(text));
    cr_assert_eq(strncmp(text, start, strlen(start)), 0, "%s", text);
}

/* The next process is told to expect this key. */
static void
expect_key(const struct control_checkpoint *checkpoint)
{
    struct control_setup setup;
    struct fault why = FAULT_INIT;

    cr_assert_eq(checkpoint_key(stage.folder, "main", &setup, &why), KS_OK, "%s", why.text);
    cr_assert_eq(setup.audit_key_len, checkpoint->public_key_len);
    cr_assert_eq(memcmp(setup.audit_key, checkpoint->public_key, setup.audit_key_len), 0);
}

#define MAIN_1 CHAIN_CHECKPOINT_PREFIX "chain=main-1 "

Test(checkpoint, keeps_the_last_one_and_the_key)
{
    struct control_checkpoint checkpoint = make("main-1", "main", 7, 'a');
    char text[2048];
    const char *space;
    FILE *pem;
    EVP_PKEY *kept;

    expect(KS_OK, checkpoint);
    expect(KS_OK, make("main-1", "main", 9, 'b'));
    checkpoint = make("main-1", "main", 10, 'c');
    expect(KS_OK, checkpoint);
    stage_read(&stage, "main-1.checkpoint", text, sizeof(text));
    space = strrchr(text, ' ');
    cr_assert_not_null(space);
    cr_assert_eq(strncmp(text, checkpoint.text, strlen(checkpoint.text)), 0);
    cr_assert_eq((size_t)(space - text), strlen(checkpoint.text));
    cr_assert_eq(strlen(space + 1), 2 * checkpoint.signature_len + 1);
    stage_read(&stage, "main.audit-key.pem", text, sizeof(text));
    pem = fmemopen(text, strlen(text), "r");
    kept = PEM_read_PUBKEY(pem, NULL, NULL, NULL);
    cr_assert_eq(EVP_PKEY_eq(kept, key), 1);
    EVP_PKEY_free(kept);
    fclose(pem);
}

Test(checkpoint, keeps_the_first_key_and_refuses_what_another_signed)
{
    struct control_checkpoint checkpoint = make("main-1", "main", 7, 'a');
    char before[512], after[512];

    expect(KS_OK, checkpoint);
    stage_read(&stage, "main.audit-key.pem", before, sizeof(before));
    checkpoint = make("main-1", "main", 8, 'b');
    cr_assert(signer_sign(other_key, &checkpoint));
    expect(KS_ERR_EXISTS, checkpoint);
    stage_read(&stage, "main.audit-key.pem", after, sizeof(after));
    cr_assert_str_eq(before, after);
    expect_kept("main-1.checkpoint", MAIN_1 "seq=7 ");
}

Test(checkpoint, keeps_nothing_whose_signature_is_wrong)
{
    struct control_checkpoint checkpoint = make("main-1", "main", 7, 'a');

    /* Not even the key it came with. */
    checkpoint.signature[checkpoint.signature_len - 1] ^= 1;
    expect(KS_ERR_KEY_CHANGED, checkpoint);
    cr_assert_not(stage_exists(&stage, "main-1.checkpoint"));
    cr_assert_not(stage_exists(&stage, "main.audit-key.pem"));
    expect(KS_OK, make("main-1", "main", 7, 'a'));
    /* Another text than the one that was signed. */
    checkpoint = make("front", "main", 3, 'a');
    memcpy(strstr(checkpoint.text, "seq=3"), "seq=4", 5);
    expect(KS_ERR_KEY_CHANGED, checkpoint);
    cr_assert_not(stage_exists(&stage, "front.checkpoint"));
    /* By another key than the one it names. */
    checkpoint = make("front", "main", 3, 'a');
    cr_assert(signer_sign(other_key, &checkpoint));
    cr_assert_gt(i2d_PUBKEY(key, &(unsigned char *){checkpoint.public_key}), 0);
    expect(KS_ERR_KEY_CHANGED, checkpoint);
    expect(KS_OK, make("front", "main", 3, 'a'));
}

Test(checkpoint, takes_no_key_from_the_front)
{
    expect(KS_ERR_NO_KEY, make("front", "main", 3, 'a'));
    cr_assert_not(stage_exists(&stage, "front.checkpoint"));
    cr_assert_not(stage_exists(&stage, "main.audit-key.pem"));
    expect(KS_OK, make("main-1", "main", 7, 'a'));
    expect(KS_OK, make("front", "main", 3, 'a'));
    cr_assert(stage_exists(&stage, "front.checkpoint"));
}

Test(checkpoint, takes_only_keys_of_the_kinds_that_are_made)
{
    struct control_checkpoint checkpoint;
    EVP_PKEY *rsa = EVP_RSA_gen(1024);

    checkpoint = make("main-1", "main", 7, 'a');
    cr_assert(signer_sign(rsa, &checkpoint));
    EVP_PKEY_free(rsa);
    expect(KS_ERR_BAD_REQUEST, checkpoint);
    checkpoint = make("main-1", "main", 7, 'a');
    checkpoint.public_key_len--;
    expect(KS_ERR_BAD_REQUEST, checkpoint);
    checkpoint = make("main-1", "main", 7, 'a');
    checkpoint.public_key[60] ^= 1; /* not on the curve */
    expect(KS_ERR_BAD_REQUEST, checkpoint);
    cr_assert_not(stage_exists(&stage, "main.audit-key.pem"));
    for (size_t i = 0; i < 4; i++) {
        EVP_PKEY *made =
            i < 2 ? EVP_EC_gen(i == 0 ? "P-384" : "P-521") : EVP_RSA_gen(i == 2 ? 2048 : 3072);

        checkpoint = make("main-1", "main", 7, 'a');
        cr_assert(signer_sign(made, &checkpoint));
        EVP_PKEY_free(made);
        expect(KS_OK, checkpoint);
        expect_key(&checkpoint);
        remove_file("main.audit-key.pem");
    }
}

/* A token shows it, and the front repeats that. */
Test(checkpoint, a_key_of_another_kind_is_no_nonsense_of_the_front)
{
    struct control_checkpoint checkpoint = make("front", "main", 3, 'a');
    EVP_PKEY *rsa = EVP_RSA_gen(4096);
    struct fault why;

    cr_assert(signer_sign(rsa, &checkpoint));
    EVP_PKEY_free(rsa);
    cr_assert_eq(keep(&checkpoint, &why), KS_ERR_UNSUPPORTED);
    cr_assert(strstr(why.text, "audit key of token main that is none of P-256"), "%s", why.text);
    expect(KS_OK, make("main-1", "main", 7, 'a'));
    expect(KS_ERR_UNSUPPORTED, checkpoint);
    expect(KS_OK, make("front", "main", 3, 'a'));
}

Test(checkpoint, knows_a_token_by_nothing_before_its_first_checkpoint)
{
    struct control_setup setup = {.audit_key_len = 7};
    struct fault why = FAULT_INIT;

    cr_assert_eq(checkpoint_key(stage.folder, "main", &setup, &why), KS_OK);
    cr_assert_eq(setup.audit_key_len, 0);
}

Test(checkpoint, takes_nothing_else_for_the_key_that_was_kept)
{
    struct control_checkpoint checkpoint = make("main-1", "main", 7, 'a');
    char kept[512], damaged[512];

    expect(KS_OK, checkpoint);
    expect_key(&checkpoint);
    stage_read(&stage, "main.audit-key.pem", kept, sizeof(kept));
    for (size_t i = 0; i <= strlen(kept); i++) {
        struct control_setup setup;
        struct fault why = FAULT_INIT;

        /* One character is another; at the end, the file is empty. */
        strcpy(damaged, i < strlen(kept) ? kept : "");
        if (damaged[0] != '\0')
            damaged[i] = damaged[i] == '!' ? '?' : '!';
        stage_write(&stage, "main.audit-key.pem", damaged, 0600);
        cr_assert_eq(checkpoint_key(stage.folder, "main", &setup, &why), KS_ERR_INTERNAL, "%zu", i);
        cr_assert(strstr(why.text, "main.audit-key.pem holds no public key"), "%s", why.text);
    }
}

Test(checkpoint, one_of_an_earlier_record_does_not_replace_the_one_kept)
{
    struct control_checkpoint checkpoint;
    struct fault why;

    expect(KS_OK, make("main-1", "main", 70, 'a'));
    checkpoint = make("main-1", "main", 8, 'b');
    cr_assert_eq(keep(&checkpoint, &why), KS_ERR_EXISTS);
    cr_assert_not_null(strstr(why.text, "chain main-1 ends at record 8, before record 70 of the "
                                        "checkpoint kept in "),
                       "%s", why.text);
    cr_assert_not_null(strstr(why.text, "/main-1.checkpoint: the audit file was cut or replaced"),
                       "%s", why.text);
    cr_assert_not_null(strstr(why.hint, "move"));
    expect_kept("main-1.checkpoint", MAIN_1 "seq=70 ");
    expect(KS_OK, make("main-1", "main", 70, 'a'));
}

Test(checkpoint, a_chain_that_begins_anew_is_still_refused_when_it_has_become_longer)
{
    struct control_checkpoint checkpoint;
    struct fault first, later;

    expect(KS_OK, make("main-1", "main", 70, 'a'));
    checkpoint = make("main-1", "main", 8, 'b');
    cr_assert_eq(keep(&checkpoint, &first), KS_ERR_EXISTS);
    checkpoint = make("main-1", "main", 71, 'c');
    cr_assert_eq(keep(&checkpoint, &later), KS_ERR_EXISTS);
    /* The same text each time, so that it is logged once. */
    cr_assert_str_eq(first.text, later.text);
    expect_kept("main-1.checkpoint", MAIN_1 "seq=70 ");
    expect_kept("main-1.checkpoint.refused", MAIN_1 "seq=8 ");
    /* Until somebody has looked and moved it away. */
    remove_file("main-1.checkpoint");
    expect(KS_OK, checkpoint);
    expect_kept("main-1.checkpoint", MAIN_1 "seq=71 ");
    cr_assert_not(stage_exists(&stage, "main-1.checkpoint.refused"));
    expect(KS_OK, make("main-1", "main", 72, 'd'));
}

Test(checkpoint, the_same_record_named_twice_is_kept_once_and_another_in_its_place_refused)
{
    struct control_checkpoint checkpoint;
    char before[1024], after[1024];
    struct fault why;

    expect(KS_OK, make("main-1", "main", 7, 'a'));
    stage_read(&stage, "main-1.checkpoint", before, sizeof(before));
    expect(KS_OK, make("main-1", "main", 7, 'a'));
    stage_read(&stage, "main-1.checkpoint", after, sizeof(after));
    cr_assert_str_eq(before, after);
    checkpoint = make("main-1", "main", 7, 'b');
    cr_assert_eq(keep(&checkpoint, &why), KS_ERR_EXISTS);
    cr_assert_not_null(strstr(why.text, "record 7 "), "%s", why.text);
    stage_read(&stage, "main-1.checkpoint", after, sizeof(after));
    cr_assert_str_eq(before, after);
}

Test(checkpoint, a_kept_file_that_is_none_is_left_to_the_administrator)
{
    static const char *const contents[] = {"", "rubbish\n", MAIN_1 "seq=07 hash=00 time=now 00\n"};

    for (size_t i = 0; i < ARRAY_LEN(contents); i++) {
        stage_write(&stage, "main-1.checkpoint", contents[i], 0600);
        expect(KS_ERR_EXISTS, make("main-1", "main", 7, 'a'));
    }
    remove_file("main-1.checkpoint");
    expect(KS_OK, make("main-1", "main", 7, 'a'));
}

Test(checkpoint, refuses_another_chain_another_token_and_what_is_no_text)
{
    struct control_checkpoint checkpoint;

    expect(KS_ERR_BAD_REQUEST, make("main-2", "main", 7, 'a'));
    expect(KS_ERR_BAD_REQUEST, make("main-1", "other", 7, 'a'));
    expect(KS_ERR_BAD_REQUEST, make("front", "../other", 7, 'a'));
    checkpoint = make("main-1", "main", 7, 'a');
    strcat(checkpoint.text, "\n");
    cr_assert(signer_sign(key, &checkpoint));
    expect(KS_ERR_BAD_REQUEST, checkpoint);
    checkpoint = make("main-1", "main", 7, 'x');
    expect(KS_ERR_BAD_REQUEST, checkpoint);
    checkpoint = make("main-1", "main", 7, 'a');
    checkpoint.signature_len = 0;
    expect(KS_ERR_BAD_REQUEST, checkpoint);
    cr_assert_not(stage_exists(&stage, "main-1.checkpoint"));
}
