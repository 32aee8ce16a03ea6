/* SPDX-License-Identifier: Apache-2.0 */
/*
 * doctor_keys - keys that nobody can use, and certificates beside keys that have run out
 */
#include <stdio.h>
#include <time.h>

#include <openssl/err.h>
#include <openssl/x509.h>

#include "client/cli/certview.h"
#include "client/cli/doctor.h"

#define MAX_CERTIFICATES 100 /* asked for: each is a search on its token */
#define SOON_DAYS 14
#define DAY_S ((time_t)24 * 3600)

struct key_check {
    struct doctor *doctor;
    struct ks_client *client;
    size_t n_keys, n_wrong, n_asked, n_certificates, n_expired;
    bool denied; /* some certificates may not be seen */
};

/* Days until it runs out, negative after that; false: it cannot be read. */
static bool
days_left(const struct ks_blob *blob, int *days, char not_after[static 32])
{
    const uint8_t *end = blob->data;
    X509 *certificate = d2i_X509(NULL, &end, (long)blob->len);
    int seconds = 0;
    struct tm parts;
    bool good = certificate &&
                ASN1_TIME_diff(days, &seconds, NULL, X509_get0_notAfter(certificate)) &&
                ASN1_TIME_to_tm(X509_get0_notAfter(certificate), &parts) &&
                strftime(not_after, 32, "%Y-%m-%dT%H:%M:%SZ", &parts) > 0;

    if (good && *days == 0 && seconds < 0)
        *days = -1;
    X509_free(certificate);
    ERR_clear_error();
    return good;
}

static void
check_certificate(struct key_check *check, const struct ks_key *key)
{
    ks_auto(certview_chain_freep) struct ks_chain *chain = NULL;
    struct ks_error error;
    char not_after[32];
    int days = 0;
    ks_err err;

    if (check->n_asked == MAX_CERTIFICATES)
        return;
    check->n_asked++;
    err = ks_certificate_get(check->client, key, &chain, &error);
    check->denied |= err == KS_ERR_DENIED;
    if (err || chain->n_certificates == 0)
        return;
    check->n_certificates++;
    if (!days_left(&chain->certificates[0], &days, not_after) || days >= SOON_DAYS)
        return;
    check->n_expired++;
    doctor_note(check->doctor, "certificate",
                "Have a new one made (keysvc csr) and put it there: keysvc key certificate NAME "
                "put; or delete it.",
                "the certificate beside %s@%u %s %s", key->name, key->version,
                days < 0 ? "has run out:" : "runs out soon:", not_after);
}

static void
check_key(struct key_check *check, const struct ks_key *key)
{
    bool reserved = keyname_reserved(key->name);

    check->n_keys += !reserved;
    if (key->ambiguous && key->n_tokens > 1) {
        check->n_wrong++;
        doctor_wrong(
            check->doctor, KS_ERR_AMBIGUOUS_KEY, "keys",
            "Find out which one programs use (the certificate made for it, keysvc audit "
            "show --key NAME); then as for the group.",
            "%s@%u is not the same key on %s and %s: only who names the public key gets it",
            key->name, key->version, key->tokens[0], key->tokens[1]);
        return;
    }
    if (key->ambiguous) {
        check->n_wrong++;
        doctor_wrong(check->doctor, KS_ERR_AMBIGUOUS_KEY, "keys",
                     "Remove or rename one of the two with the token's own tool, then keysvc "
                     "token rescan.",
                     "two private keys on token %s carry the label %s@%u: neither is used",
                     key->token, key->name, key->version);
        return;
    }
    /* The service's own is meant to be in no class, and has no certificate; to ask for one would
     * leave a refusal in the audit. */
    if (reserved)
        return;
    if (key->class_glob[0] == '\0')
        doctor_note(check->doctor, "keys",
                    "Add a section `keys` whose glob matches, or leave it to other programs.",
                    "%s@%u on token %s is in no class: nobody can use it", key->name, key->version,
                    key->token);
    check_certificate(check, key);
}

/* Keys of `key NAME { uri = ... }` that the token does not have. */
static void
check_adopted(struct doctor *doctor, struct ks_client *client)
{
    const struct doctor_fact *fact = NULL;
    struct ks_error error;
    struct ks_key key;

    while ((fact = doctor_fact_next(doctor, "key", fact))) {
        if (strcmp(fact->option, "uri") == 0 &&
            ks_get(client, fact->name, &key, &error) == KS_ERR_NO_KEY)
            doctor_wrong(doctor, KS_ERR_NO_KEY, "keys",
                         "Compare with pkcs11-tool --list-objects or p11tool --list-all-privkeys, "
                         "then keysvc token rescan.",
                         "key %s: no private key on its token is meant by %s", fact->name,
                         fact->value);
    }
}

void
doctor_keys(struct doctor *doctor, struct cli *cli)
{
    struct key_check check = {.doctor = doctor, .client = cli->client};
    const struct ks_key *key = NULL;
    struct ks_list *list = NULL;
    struct ks_error error;
    ks_err err;

    if (!cli->client || !doctor_answers(doctor))
        return;
    err = ks_list_new(cli->client, NULL, &list, &error);
    while (!err && !(err = ks_list_next(list, &key, &error)) && key)
        check_key(&check, key);
    ks_list_free(list);
    check_adopted(doctor, cli->client);
    if (err || check.n_keys == 0)
        return;
    if (check.n_wrong == 0)
        doctor_fine(doctor, "keys", "versions that you may see: %zu", check.n_keys);
    if (check.denied)
        doctor_skip(doctor, "certificate", "no rule lets you see all certificates");
    else if (check.n_expired == 0)
        doctor_fine(doctor, "certificate",
                    "keys asked: %zu, with a certificate: %zu, none runs out", check.n_asked,
                    check.n_certificates);
}
