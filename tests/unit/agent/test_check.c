/* SPDX-License-Identifier: Apache-2.0 */
#include <criterion/criterion.h>

#include <stdio.h>

#include "client/agent/certificate/check.h"
#include "pki.h"

#define NAMES "DNS:shop.example.org,IP:10.0.0.7"
#define CA_TRUE "critical,CA:TRUE"

/* Who is in a file, in this order. */
enum who { NOBODY, LEAF, MIDDLE, ROOT, OTHER_ROOT, STRANGER, OLD_MIDDLE, NOT_CA, N_WHO };

/* Which key the certificate has, or which was asked for. */
enum { OURS, OLDER, FOREIGN, ROOTS, MIDDLES, OTHER_ROOTS };

/* Zero is a good certificate: by ROOT, for our key, as the request had it, in the file alone. */
struct change {
    const char *what;
    const char *failed; /* the checks that must fail, in order; "": none */
    const char *found;  /* a part of what the first says */
    enum who file[4], cas[4];
    enum who by; /* NOBODY: ROOT; LEAF: by itself */
    int key;
    int64_t from_s, to_s;
    const char *usage; /* "": none */
    const char *names; /* "": none */
    const char *constraints, *key_usage;
    const char *before; /* names of the certificate before, and no request is known */
    enum pki_type type;
    bool sha1, bad_signature;
};

static const struct change CHANGE[] = {
    {.what = "nothing", .failed = ""},
    {.what = "nothing, RSA", .failed = "", .type = PKI_RSA2048},
    {.what = "nothing, Ed25519", .failed = "", .type = PKI_ED25519},
    {.what = "the root comes along", .failed = "", .file = {LEAF, ROOT}},
    {.what = "an intermediate CA", .failed = "", .by = MIDDLE, .file = {LEAF, MIDDLE}},
    {.what = "any order", .failed = "", .by = MIDDLE, .file = {MIDDLE, ROOT, LEAF}},
    {.what = "the intermediate stands with the CA",
     .failed = "",
     .by = MIDDLE,
     .cas = {ROOT, MIDDLE}},
    {.what = "the intermediate is the CA", .failed = "", .by = MIDDLE, .cas = {MIDDLE}},
    {.what = "several CAs", .failed = "", .cas = {STRANGER, ROOT}},
    {.what = "a certificate of no use beside", .failed = "", .file = {LEAF, STRANGER}},
    /* issuer */
    {.what = "wrong CA",
     .failed = "issuer",
     .found = "CN=leaf was issued by CN=root, which is in neither file",
     .cas = {STRANGER}},
    {.what = "another CA of the same name",
     .failed = "issuer",
     .found = "by the key of CN=root",
     .cas = {OTHER_ROOT}},
    {.what = "missing intermediate",
     .failed = "issuer",
     .by = MIDDLE,
     .found = "CN=leaf was issued by CN=middle, which is in neither file"},
    {.what = "the intermediate's root is another",
     .failed = "issuer",
     .by = MIDDLE,
     .file = {LEAF, MIDDLE},
     .cas = {STRANGER},
     .found = "CN=middle was issued by CN=root, which is in neither file"},
    {.what = "the root is in the wrong file only",
     .failed = "issuer",
     .file = {LEAF, ROOT},
     .cas = {STRANGER},
     .found = "the chain ends at CN=root, which is not in the CA's file"},
    {.what = "broken chain",
     .failed = "issuer",
     .by = MIDDLE,
     .bad_signature = true,
     .file = {LEAF, MIDDLE},
     .found = "the signature of CN=leaf is not by the key of CN=middle"},
    {.what = "signed by itself", .failed = "issuer", .by = LEAF, .found = "no CA has issued it"},
    {.what = "signed by itself, and its own CA",
     .failed = "issuer",
     .by = LEAF,
     .cas = {LEAF},
     .found = "no CA has issued it"},
    {.what = "it is in the CA's file itself",
     .failed = "issuer",
     .cas = {LEAF},
     .found = "holds this certificate itself"},
    {.what = "issued by what is no CA",
     .failed = "issuer",
     .by = NOT_CA,
     .file = {LEAF, NOT_CA},
     .found = "CN=not-ca is no CA"},
    /* key */
    {.what = "the key of a pending request",
     .failed = "",
     .key = OLDER,
     .names = "DNS:older.example"},
    {.what = "wrong key", .failed = "key", .key = FOREIGN, .found = "another public key"},
    {.what = "wrong key, RSA",
     .failed = "key",
     .key = FOREIGN,
     .type = PKI_RSA2048,
     .found = "another public key"},
    {.what = "wrong key and another agent's names",
     .failed = "key,names",
     .key = FOREIGN,
     .names = "DNS:other.example.org",
     .found = "another public key"},
    /* validity */
    {.what = "since now", .failed = "", .from_s = PKI_NOW},
    {.what = "until a second from now", .failed = "", .to_s = PKI_NOW + 1},
    {.what = "not yet valid",
     .failed = "validity",
     .from_s = PKI_NOW + 1,
     .found = "not yet valid: from 2027-01-15T08:00:01Z"},
    {.what = "expired",
     .failed = "validity",
     .to_s = PKI_NOW,
     .found = "expired: it was valid from 2027-01-14T08:00:00Z to 2027-01-15T08:00:00Z"},
    {.what = "its issuer expired",
     .failed = "validity",
     .by = OLD_MIDDLE,
     .file = {LEAF, OLD_MIDDLE},
     .found = "of its chain CN=old-middle: certificate has expired"},
    /* usage */
    {.what = "more usages", .failed = "", .usage = "clientAuth,serverAuth"},
    {.what = "digital signatures", .failed = "", .key_usage = "critical,digitalSignature"},
    {.what = "no EKU", .failed = "usage", .usage = "", .found = "no extended key usage"},
    {.what = "another EKU",
     .failed = "usage",
     .usage = "clientAuth",
     .found = "only TLS Web Client"},
    {.what = "any EKU", .failed = "usage", .usage = "anyExtendedKeyUsage", .found = "only Any"},
    {.what = "no signatures",
     .failed = "usage",
     .key_usage = "keyEncipherment",
     .found = "without digital signatures"},
    /* leaf */
    {.what = "not a CA, explicitly", .failed = "", .constraints = "critical,CA:FALSE"},
    {.what = "a CA", .failed = "leaf", .constraints = CA_TRUE, .found = "CA:TRUE"},
    {.what = "may sign certificates",
     .failed = "leaf",
     .key_usage = "digitalSignature,keyCertSign",
     .found = "sign certificates"},
    /* names */
    {.what = "more names", .failed = "", .names = NAMES ",DNS:more.example"},
    {.what = "in other case", .failed = "", .names = "DNS:SHOP.example.org,IP:10.0.0.7"},
    {.what = "a wildcard", .failed = "", .names = "DNS:*.example.org,IP:10.0.0.7"},
    {.what = "no names", .failed = "names", .names = "", .found = "none"},
    {.what = "a name is missing",
     .failed = "names",
     .names = "DNS:shop.example.org",
     .found = "DNS:shop.example.org; of the request IP:10.0.0.7 is missing"},
    {.what = "another agent's names",
     .failed = "names",
     .names = "DNS:other.example,IP:10.0.0.8",
     .found = "DNS:shop.example.org, IP:10.0.0.7 are missing"},
    {.what = "a wildcard of another domain",
     .failed = "names",
     .found = "DNS:shop.example.org is missing",
     .names = "DNS:*.shop.example.org,IP:10.0.0.7"},
    {.what = "no request, a name as before",
     .failed = "",
     .before = "DNS:old.example,DNS:shop.example.org"},
    {.what = "no request, and none before", .failed = "", .before = ""},
    {.what = "no request, other names",
     .failed = "names",
     .before = "DNS:old.example",
     .found = "DNS:shop.example.org"},
    {.what = "no request and no names",
     .failed = "names",
     .before = "",
     .names = "",
     .found = "none"},
    {.what = "names of the request with the other key",
     .failed = "names",
     .names = "DNS:older.example",
     .found = "are missing"},
    /* strength */
    {.what = "SHA-1", .failed = "strength", .sha1 = true, .found = "SHA1"},
    {.what = "RSA of 1024 bits", .failed = "strength", .type = PKI_RSA1024, .found = "1024 bits"},
    /* all at once */
    {.what = "everything",
     .failed = "issuer,key,validity,usage,leaf,names",
     .by = MIDDLE,
     .key = FOREIGN,
     .to_s = PKI_NOW - 1,
     .usage = "",
     .names = "",
     .constraints = CA_TRUE,
     .found = "CN=middle"},
};

static EVP_PKEY *
key_of(const struct change *change, int key)
{
    if (key >= ROOTS)
        return pki_key(PKI_P256, (unsigned int)key);
    return pki_key(change->type, (unsigned int)key);
}

static X509 *
make_ca(const char *subject, int key, X509 *issuer, int issuer_key, int64_t to_s)
{
    const struct pki_certificate wanted = {
        .subject = subject,
        .key = pki_key(PKI_P256, (unsigned int)key),
        .issuer = issuer,
        .issuer_key = pki_key(PKI_P256, (unsigned int)issuer_key),
        .constraints = CA_TRUE,
        .to_s = to_s,
    };

    return pki_make(&wanted);
}

static void
make_leaf(const struct change *change, X509 *made[static N_WHO])
{
    static const int SIGNER[N_WHO] = {
        [ROOT] = ROOTS, [MIDDLE] = MIDDLES, [OLD_MIDDLE] = MIDDLES, [NOT_CA] = MIDDLES};
    enum who by = change->by == NOBODY ? ROOT : change->by;
    const struct pki_certificate wanted = {
        .subject = "leaf",
        .key = key_of(change, change->key),
        .issuer = by == LEAF ? NULL : made[by],
        .issuer_key = by == LEAF ? key_of(change, change->key)
                                 : key_of(change, change->bad_signature ? OTHER_ROOTS : SIGNER[by]),
        .from_s = change->from_s,
        .to_s = change->to_s,
        .usage = !change->usage     ? "serverAuth"
                 : change->usage[0] ? change->usage
                                    : NULL,
        .names = !change->names     ? NAMES
                 : change->names[0] ? change->names
                                    : NULL,
        .constraints = change->constraints,
        .key_usage = change->key_usage,
        .sha1 = change->sha1,
    };

    made[LEAF] = pki_make(&wanted);
}

static void
make_all(const struct change *change, X509 *made[static N_WHO])
{
    const struct pki_certificate not_ca = {
        .subject = "not-ca",
        .key = pki_key(PKI_P256, MIDDLES),
        .issuer_key = pki_key(PKI_P256, ROOTS),
        .issuer_name = "root",
        .constraints = "critical,CA:FALSE",
    };

    made[NOBODY] = NULL;
    made[ROOT] = make_ca("root", ROOTS, NULL, ROOTS, 0);
    made[OTHER_ROOT] = make_ca("root", OTHER_ROOTS, NULL, OTHER_ROOTS, 0);
    made[STRANGER] = make_ca("stranger", OTHER_ROOTS, NULL, OTHER_ROOTS, 0);
    made[MIDDLE] = make_ca("middle", MIDDLES, made[ROOT], ROOTS, 0);
    made[OLD_MIDDLE] = make_ca("old-middle", MIDDLES, made[ROOT], ROOTS, PKI_NOW - 1);
    made[NOT_CA] = pki_make(&not_ca);
    make_leaf(change, made);
}

static struct buf
file_of(const enum who members[static 4], enum who fallback, X509 *made[static N_WHO])
{
    struct buf out = BUF_INIT;

    if (members[0] == NOBODY)
        pki_add_pem(&out, made[fallback]);
    for (size_t i = 0; i < 4 && members[i] != NOBODY; i++)
        pki_add_pem(&out, made[members[i]]);
    return out;
}

/* "issuer,key" */
static void
failed_checks(const struct report *report, char *out, size_t cap)
{
    out[0] = '\0';
    for (size_t i = 0; i < report->n_checks; i++) {
        size_t len = strlen(out);

        if (!report->checks[i].passed)
            snprintf(out + len, cap - len, "%s%s", len > 0 ? "," : "", report->checks[i].name);
    }
}

static const char *
first_found(const struct report *report)
{
    for (size_t i = 0; i < report->n_checks; i++) {
        if (!report->checks[i].passed)
            return report->checks[i].found;
    }
    return "";
}

struct keys {
    struct check_key keys[3];
    uint8_t *public_keys[3];
    size_t n_keys;
};

static void
add_key(struct keys *keys, const char *label, EVP_PKEY *key, const char *names)
{
    struct check_key *at = &keys->keys[keys->n_keys];
    int len = i2d_PUBKEY(key, &keys->public_keys[keys->n_keys]);

    cr_assert_gt(len, 0);
    at->label = label;
    at->public_key = keys->public_keys[keys->n_keys];
    at->public_key_len = (size_t)len;
    at->request = names ? pki_request("shop", key, names) : NULL;
    keys->n_keys++;
}

static void
free_keys(struct keys *keys)
{
    for (size_t i = 0; i < keys->n_keys; i++) {
        OPENSSL_free(keys->public_keys[i]);
        X509_REQ_free(keys->keys[i].request);
    }
}

static void
try_change(const struct change *change)
{
    X509 *made[N_WHO], *before = NULL;
    struct keys keys = {0};
    struct check_wanted wanted = {.now_s = PKI_NOW};
    ks_auto(check_result_deinit) struct check_result result = {0};
    struct report report = REPORT_INIT;
    struct buf file, cas;
    char failed[200];
    ks_err err;

    make_all(change, made);
    file = file_of(change->file, LEAF, made);
    cas = file_of(change->cas, ROOT, made);
    add_key(&keys, "agents/a/agent@2", key_of(change, OURS), change->before ? NULL : NAMES);
    add_key(&keys, "agents/a/agent@1", key_of(change, OLDER), "DNS:older.example");
    if (change->before) {
        const struct pki_certificate old = {
            .subject = "before",
            .key = key_of(change, OURS),
            .issuer_key = key_of(change, OURS),
            .names = change->before[0] ? change->before : NULL,
        };

        before = pki_make(&old);
    }
    wanted.keys = keys.keys;
    wanted.n_keys = keys.n_keys;
    wanted.before = before;
    err = check_files(&(struct check_files){file.data, file.len, cas.data, cas.len}, &wanted,
                      &result, &report);
    failed_checks(&report, failed, sizeof(failed));
    cr_expect_str_eq(failed, change->failed, "%s: %s failed: %s", change->what, failed,
                     first_found(&report));
    cr_expect_eq(err, change->failed[0] ? KS_ERR_CERTIFICATE_REFUSED : KS_OK, "%s", change->what);
    cr_expect_eq(report.n_checks, 9, "%s: %zu checks", change->what, report.n_checks);
    if (change->found)
        cr_expect(strstr(first_found(&report), change->found), "%s: %s", change->what,
                  first_found(&report));
    if (!err) {
        cr_expect_eq(X509_cmp(sk_X509_value(result.chain, 0), made[LEAF]), 0, "%s", change->what);
        cr_expect_eq(sk_X509_num(result.chain), change->by == MIDDLE ? 2 : 1, "%s: without root",
                     change->what);
        cr_expect_eq(result.key, change->key == OLDER ? 1 : 0, "%s", change->what);
    } else {
        cr_expect_null(result.chain);
        cr_expect(strstr(report.message, first_found(&report)), "%s", report.message);
    }
    for (size_t i = 0; i < N_WHO; i++)
        X509_free(made[i]);
    X509_free(before);
    free_keys(&keys);
    buf_deinit(&file);
    buf_deinit(&cas);
}

Test(check, each_mistake_fails_its_own_check_and_its_good_neighbour_passes)
{
    for (size_t i = 0; i < ARRAY_LEN(CHANGE); i++)
        try_change(&CHANGE[i]);
}

/* More than a request may have: nothing of ours asked for it. As the one before they do no harm. */
Test(check, names_beyond_the_thousand_are_refused_by_their_check)
{
    ks_auto(buf_deinit) struct buf names = BUF_INIT;
    struct change change = {.what = "a name too many", .failed = "names", .found = "more"};
    char name[32];

    for (unsigned int i = 0; i <= KS_MAX_ALTERNATIVE_NAMES; i++) {
        snprintf(name, sizeof(name), "%sDNS:n%u.example", i > 0 ? "," : "", i);
        buf_append(&names, name, strlen(name));
    }
    buf_append(&names, "", 1);
    cr_assert(!names.failed);
    change.names = (const char *)names.data;
    try_change(&change);
    change = (struct change){.what = "before, it had a name too many",
                             .failed = "",
                             .names = "DNS:n0.example",
                             .before = (const char *)names.data};
    try_change(&change);
}

/* --- files --- */

static ks_err
check_bytes(const struct buf *file, const struct buf *cas, struct report *report)
{
    static const struct change NOTHING = {.what = ""};
    struct keys keys = {0};
    struct check_wanted wanted = {.now_s = PKI_NOW};
    ks_auto(check_result_deinit) struct check_result result = {0};
    ks_err err;

    add_key(&keys, "agents/a/agent@1", key_of(&NOTHING, OURS), NAMES);
    wanted.keys = keys.keys;
    wanted.n_keys = keys.n_keys;
    err = check_files(&(struct check_files){file->data, file->len, cas->data, cas->len}, &wanted,
                      &result, report);
    free_keys(&keys);
    return err;
}

static void
expect_file(const struct buf *file, const struct buf *cas, const char *failed, const char *found)
{
    struct report report = REPORT_INIT;
    ks_err err = check_bytes(file, cas, &report);
    char list[200];

    failed_checks(&report, list, sizeof(list));
    cr_expect_str_eq(list, failed, "%s, not %s: %s", list, failed, first_found(&report));
    cr_expect_eq(err, failed[0] ? KS_ERR_CERTIFICATE_REFUSED : KS_OK);
    cr_expect(strstr(first_found(&report), found), "%s", first_found(&report));
}

static void
add_text(struct buf *out, const char *text)
{
    buf_append(out, text, strlen(text));
}

Test(check, der_and_pem_are_read_and_nothing_behind_them)
{
    static const struct change NOTHING = {.what = ""};
    X509 *made[N_WHO];
    struct buf der = BUF_INIT, pem = BUF_INIT, ca_der = BUF_INIT, empty = BUF_INIT;
    struct buf text = BUF_INIT, many = BUF_INIT;

    make_all(&NOTHING, made);
    pki_add_der(&ca_der, made[ROOT]);
    pki_add_der(&der, made[LEAF]);
    pki_add_pem(&pem, made[LEAF]);
    expect_file(&der, &ca_der, "", "");
    expect_file(&pem, &ca_der, "", "");
    add_text(&text, "Certificate:\n    Data: 0 as some CAs write before it\n");
    pki_add_pem(&text, made[LEAF]);
    add_text(&text, "\r\n \n");
    expect_file(&text, &ca_der, "", "");
    add_text(&text, "x");
    expect_file(&text, &ca_der, "certificate-file", "behind the last certificate");
    expect_file(&empty, &ca_der, "certificate-file", "is empty");
    add_text(&pem, "-----BEGIN CERTIFICATE-----\nAAAA\n");
    expect_file(&pem, &ca_der, "certificate-file", "damaged PEM behind certificate 1");
    der.len--;
    expect_file(&der, &ca_der, "certificate-file", "cannot be read");
    der.len++;
    buf_append(&der, "", 1);
    expect_file(&der, &ca_der, "certificate-file", "bytes behind it");
    for (unsigned int i = 0; i <= CHECK_MAX_CERTIFICATES; i++)
        pki_add_pem(&many, made[LEAF]);
    expect_file(&many, &ca_der, "certificate-file", "more than 16 certificates");
    /* What does not need a CA is told all the same. */
    pem.len = 0;
    pki_add_pem(&pem, made[STRANGER]);
    expect_file(&pem, &empty, "ca-file,key,usage,leaf,names", "is empty");
    expect_file(&empty, &empty, "certificate-file,ca-file", "is empty");
    for (size_t i = 0; i < N_WHO; i++)
        X509_free(made[i]);
    buf_deinit(&der);
    buf_deinit(&pem);
    buf_deinit(&ca_der);
    buf_deinit(&text);
    buf_deinit(&many);
}

Test(check, a_private_key_in_the_file_is_refused_by_its_name)
{
    static const char TEXT[] = "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n";
    struct buf file = BUF_INIT, cas = BUF_INIT;

    add_text(&file, TEXT);
    add_text(&cas, TEXT);
    expect_file(&file, &cas, "certificate-file,ca-file", "holds a PRIVATE KEY");
    buf_deinit(&file);
    buf_deinit(&cas);
}

/* A CA's limits on names are the names' business. */
Test(check, names_that_the_ca_may_not_issue_are_refused)
{
    const struct pki_certificate root = {
        .subject = "root",
        .key = pki_key(PKI_P256, ROOTS),
        .issuer_key = pki_key(PKI_P256, ROOTS),
        .constraints = CA_TRUE,
        .permitted = "critical,permitted;DNS:elsewhere.example",
    };
    X509 *ca = pki_make(&root);
    const struct pki_certificate wanted = {
        .subject = "leaf",
        .key = pki_key(PKI_P256, OURS),
        .issuer = ca,
        .issuer_key = pki_key(PKI_P256, ROOTS),
        .usage = "serverAuth",
        .names = NAMES,
    };
    X509 *leaf = pki_make(&wanted);
    struct buf file = BUF_INIT, cas = BUF_INIT;

    pki_add_pem(&file, leaf);
    pki_add_pem(&cas, ca);
    expect_file(&file, &cas, "names", "permitted subtree violation");
    buf_deinit(&file);
    buf_deinit(&cas);
    X509_free(leaf);
    X509_free(ca);
}
