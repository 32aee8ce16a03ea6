/* SPDX-License-Identifier: Apache-2.0 */
/*
 * reference_decoder - from a reference's PEM to a key
 *
 * In two steps, as OpenSSL chains them: PEM to DER, which looks at everything, and DER to a key of
 * the type found. Both answer 1 for what is not ours, after reading it: 0 ends the search, and
 * programs that read files with several objects would never get past a 0 that has read nothing. For
 * a reference that is damaged the answer is 0, since libcrypto forgets the errors of all others.
 */
#include <openssl/bio.h>
#include <openssl/core_names.h>
#include <openssl/core_object.h>
#include <openssl/err.h>
#include <openssl/params.h>
#include <openssl/pem.h>

#include "client/provider/fail.h"
#include "client/provider/key.h"

#define STRUCTURE "keysvc-reference"

static OSSL_FUNC_decoder_newctx_fn decoder_new;
static OSSL_FUNC_decoder_freectx_fn decoder_free;
static OSSL_FUNC_decoder_decode_fn decode_pem;
static OSSL_FUNC_decoder_decode_fn decode_der;

static void
biop(BIO **bio)
{
    BIO_free(*bio);
}

static void
opensslp(void *pointer)
{
    OPENSSL_free(*(void **)pointer);
}

/* Nothing but the provider is needed. */
static void *
decoder_new(void *context)
{
    return context;
}

static void
decoder_free(void *context)
{
    (void)context;
}

static int
does_selection(void *context, int selection)
{
    (void)context;
    return selection == 0 || (selection & OSSL_KEYMGMT_SELECT_ALL) != 0;
}

/* --- PEM --- */

/* Is the next object's label ours? Reads its first line, and what is before it. */
static bool
label_is_ours(BIO *in)
{
    static const char BEGIN[] = "-----BEGIN ", OURS[] = "-----BEGIN " KS_REFERENCE_PEM_NAME "-----";
    char line[sizeof(OURS) + 2];
    bool at_start = true;
    int len;

    while ((len = BIO_gets(in, line, sizeof(line))) > 0) {
        if (at_start && strncmp(line, BEGIN, strlen(BEGIN)) == 0)
            return strncmp(line, OURS, strlen(OURS)) == 0;
        at_start = line[len - 1] == '\n';
    }
    return false;
}

enum found { FOUND_NOTHING, FOUND_OTHER, FOUND_DAMAGED, FOUND_REFERENCE };

/* Reads one object, whatever it is. OpenSSL's complaints are not ours to make. */
static enum found
read_pem(const struct provider *provider, OSSL_CORE_BIO *core, char **header, unsigned char **der,
         long *len)
{
    ks_auto(biop) BIO *in = BIO_new_from_core_bio(provider->libctx, core);
    ks_auto(opensslp) char *name = NULL;
    int start, done, reason;

    if (!in)
        return FOUND_NOTHING;
    start = BIO_tell(in);
    ERR_set_mark();
    done = PEM_read_bio(in, &name, header, der, len);
    reason = done ? 0 : ERR_GET_REASON(ERR_peek_last_error());
    ERR_pop_to_mark();
    if (done)
        return strcmp(name, KS_REFERENCE_PEM_NAME) == 0 ? FOUND_REFERENCE : FOUND_OTHER;
    if (reason == PEM_R_NO_START_LINE || start < 0 || BIO_seek(in, start) < 0)
        return FOUND_NOTHING;
    return label_is_ours(in) ? FOUND_DAMAGED : FOUND_OTHER;
}

static int
pass_on(const char *type, unsigned char *der, size_t len, OSSL_CALLBACK *next, void *next_arg)
{
    OSSL_PARAM params[] = {
        OSSL_PARAM_construct_octet_string(OSSL_OBJECT_PARAM_DATA, der, len),
        OSSL_PARAM_construct_utf8_string(OSSL_OBJECT_PARAM_DATA_STRUCTURE,
                                         (char *)(uintptr_t)STRUCTURE, 0),
        OSSL_PARAM_construct_utf8_string(OSSL_OBJECT_PARAM_DATA_TYPE, (char *)(uintptr_t)type, 0),
        OSSL_PARAM_construct_end(),
    };

    return next(params, next_arg);
}

static int
check_and_pass_on(struct provider *provider, const char *header, unsigned char *der, size_t len,
                  OSSL_CALLBACK *next, void *next_arg)
{
    struct ks_error error;
    struct ks_key info;
    struct key *key;
    ks_err err;
    int done;

    if (header[0] != '\0')
        return fail(provider, FAIL_REFERENCE,
                    "a reference to a key has no headers and is not encrypted");
    ERR_set_mark();
    err = ks_reference_decode(der, len, &info, &error);
    ERR_pop_to_mark();
    if (err)
        return fail(provider, FAIL_REFERENCE,
                    "%s: write the reference anew with keysvc key reference", error.message);
    if (provider->options.trouble[0] != '\0')
        return fail(provider, FAIL_OPTION, "%s@%u: %s", info.name, info.version,
                    provider->options.trouble);
    /* Its public half is looked at here: OSSL_STORE forgets what the next step says. */
    key = key_new_private(provider, &info);
    if (!key)
        return 0;
    done = pass_on(key->type, der, len, next, next_arg);
    key_free(key);
    return done;
}

static int
decode_pem(void *context, OSSL_CORE_BIO *core, int selection, OSSL_CALLBACK *next, void *next_arg,
           OSSL_PASSPHRASE_CALLBACK *ask, void *ask_arg)
{
    struct provider *provider = context;
    ks_auto(opensslp) char *header = NULL;
    ks_auto(opensslp) unsigned char *der = NULL;
    long len = 0;

    (void)selection, (void)ask, (void)ask_arg;
    switch (read_pem(provider, core, &header, &der, &len)) {
    case FOUND_REFERENCE:
        return check_and_pass_on(provider, header, der, (size_t)len, next, next_arg);
    case FOUND_DAMAGED:
        return fail(provider, FAIL_REFERENCE,
                    "a reference to a key is damaged between its BEGIN and its END: write it anew "
                    "with keysvc key reference");
    case FOUND_NOTHING:
    case FOUND_OTHER:
        break;
    }
    return 1;
}

/* --- DER --- */

/* At most one byte more than a reference has. */
static size_t
read_der(const struct provider *provider, OSSL_CORE_BIO *core,
         uint8_t out[static KS_REFERENCE_MAX_LEN + 1])
{
    ks_auto(biop) BIO *in = BIO_new_from_core_bio(provider->libctx, core);
    size_t len = 0, n;

    while (in && len <= KS_REFERENCE_MAX_LEN &&
           BIO_read_ex(in, out + len, KS_REFERENCE_MAX_LEN + 1 - len, &n) == 1 && n > 0)
        len += n;
    return len;
}

static int
decode_der(void *context, OSSL_CORE_BIO *core, int selection, OSSL_CALLBACK *next, void *next_arg,
           OSSL_PASSPHRASE_CALLBACK *ask, void *ask_arg)
{
    struct provider *provider = context;
    uint8_t der[KS_REFERENCE_MAX_LEN + 1];
    size_t len = read_der(provider, core, der);
    struct ks_key info;
    struct key *key;
    ks_err err;

    (void)selection, (void)ask, (void)ask_arg;
    ERR_set_mark();
    err = ks_reference_decode(der, len, &info, NULL);
    ERR_pop_to_mark();
    if (err)
        return 1;
    key = key_new_private(provider, &info);
    return key ? key_hand_over(key, next, next_arg) : 0;
}

/* --- the tables --- */

/* clang-format off */
static const OSSL_DISPATCH PEM[] = {
    DISPATCH(OSSL_FUNC_DECODER_NEWCTX, decoder_new),
    DISPATCH(OSSL_FUNC_DECODER_FREECTX, decoder_free),
    DISPATCH(OSSL_FUNC_DECODER_DECODE, decode_pem),
    DISPATCH_END,
};

static const OSSL_DISPATCH DER[] = {
    DISPATCH(OSSL_FUNC_DECODER_NEWCTX, decoder_new),
    DISPATCH(OSSL_FUNC_DECODER_FREECTX, decoder_free),
    DISPATCH(OSSL_FUNC_DECODER_DOES_SELECTION, does_selection),
    DISPATCH(OSSL_FUNC_DECODER_DECODE, decode_der),
    DISPATCH_END,
};

#define FROM_PEM PROVIDER_PROPERTIES ",input=pem"
#define FROM_DER PROVIDER_PROPERTIES ",input=der,structure=" STRUCTURE

const OSSL_ALGORITHM PROVIDER_DECODERS[] = {
    {"DER",         FROM_PEM, PEM, "a reference to a key"},
    {NAMES_EC,      FROM_DER, DER, "a reference to a key"},
    {NAMES_ED25519, FROM_DER, DER, "a reference to a key"},
    {NAMES_RSA,     FROM_DER, DER, "a reference to a key"},
    {NULL, NULL, NULL, NULL},
};
/* clang-format on */
