/* SPDX-License-Identifier: Apache-2.0 */
#include "client/agent/certificate/clientca.h"

#include <criterion/criterion.h>
#include <openssl/pem.h>
#include <stdio.h>
#include <sys/stat.h>
#include <time.h>

#include "pki.h"

#define CA_FILE "ca.pem"
#define CRL_FILE "crl.pem"

static char folder[] = "/tmp/keysvc-clientca-XXXXXX";
static EVP_PKEY *root_key, *below_key, *client_key;
static bool delta;                  /* the next lists are */
static X509 *root, *below, *client; /* root issued below, which issued client */

/* As they are judged, at the time of this machine's clock. */
static X509 *
make(const char *subject, EVP_PKEY *key, X509 *issuer, EVP_PKEY *issuer_key)
{
    bool is_ca = key != client_key;

    return pki_make(&(struct pki_certificate){.subject = subject,
                                              .key = key,
                                              .issuer = issuer,
                                              .issuer_key = issuer_key,
                                              .from_s = time(NULL) - PKI_DAY,
                                              .to_s = time(NULL) + PKI_DAY,
                                              .usage = is_ca ? NULL : "clientAuth",
                                              .constraints = is_ca ? "critical,CA:TRUE" : NULL});
}

static void
begin(void)
{
    FILE *file;

    cr_assert(mkdtemp(folder) && chdir(folder) == 0);
    root_key = pki_key(PKI_P256, 0);
    below_key = pki_key(PKI_P256, 1);
    client_key = pki_key(PKI_P256, 2);
    root = make("Root", root_key, NULL, root_key);
    below = make("Below", below_key, root, root_key);
    client = make("client", client_key, below, below_key);
    file = fopen(CA_FILE, "w");
    cr_assert(PEM_write_X509(file, root) && PEM_write_X509(file, below));
    fclose(file);
}

static void
end(void)
{
    X509_free(root);
    X509_free(below);
    X509_free(client);
    (void)unlink(CA_FILE);
    (void)unlink(CRL_FILE);
    cr_assert(rmdir(folder) == 0);
}

TestSuite(clientca, .init = begin, .fini = end, .timeout = 60);

/* Adds a list to the file, of `issuer`, until `left_s` from now; `revoked` may be NULL. */
static void
add_list(X509 *issuer, EVP_PKEY *key, long left_s, X509 *revoked)
{
    X509_CRL *list = X509_CRL_new();
    ASN1_TIME *at = ASN1_TIME_adj(NULL, time(NULL), 0, -7200);
    FILE *file = fopen(CRL_FILE, "a");

    cr_assert(X509_CRL_set_version(list, X509_CRL_VERSION_2));
    cr_assert(X509_CRL_set_issuer_name(list, X509_get_subject_name(issuer)));
    cr_assert(X509_CRL_set1_lastUpdate(list, at));
    ASN1_TIME_adj(at, time(NULL), 0, left_s);
    cr_assert(X509_CRL_set1_nextUpdate(list, at));
    if (revoked) {
        X509_REVOKED *entry = X509_REVOKED_new();

        ASN1_TIME_adj(at, time(NULL), 0, -3600);
        cr_assert(X509_REVOKED_set_serialNumber(entry, X509_get_serialNumber(revoked)));
        cr_assert(X509_REVOKED_set_revocationDate(entry, at));
        cr_assert(X509_CRL_add0_revoked(list, entry));
    }
    if (delta) {
        ASN1_INTEGER *base = ASN1_INTEGER_new();

        cr_assert(X509_CRL_add1_ext_i2d(list, NID_delta_crl, base, 1, 0) == 1);
        ASN1_INTEGER_free(base);
    }
    cr_assert(X509_CRL_sign(list, key, EVP_sha256()) > 0);
    cr_assert(PEM_write_X509_CRL(file, list));
    fclose(file);
    ASN1_TIME_free(at);
    X509_CRL_free(list);
}

/* What is said of the lists, and of the client; NULL: nothing. */
static void
expect(const char *crl_file, const char *of_lists, const char *of_client)
{
    struct fault lists = FAULT_INIT, why = FAULT_INIT;
    const char *refused;
    X509_STORE *store;

    cr_assert_eq(clientca_load(CA_FILE, crl_file, NULL, &store, &lists, &why), KS_OK, "%s",
                 why.text);
    cr_expect(of_lists ? strstr(lists.text, of_lists) != NULL : lists.text[0] == '\0', "\"%s\"",
              lists.text);
    refused = clientca_refuses(store, NULL, client, NULL, "ssl_client");
    cr_expect(of_client ? refused && strcmp(refused, of_client) == 0 : !refused, "%s",
              refused ? refused : "not refused");
    X509_STORE_free(store);
}

Test(clientca, without_a_file_of_lists_none_is_looked_at)
{
    expect("", NULL, NULL);
    add_list(below, below_key, PKI_DAY, client);
    expect("", NULL, NULL);
}

Test(clientca, each_ca_needs_a_list)
{
    add_list(below, below_key, PKI_DAY, NULL);
    expect(CRL_FILE, "of CN=Root: unable to get certificate CRL", "unable to get certificate CRL");
    add_list(root, root_key, PKI_DAY, NULL);
    expect(CRL_FILE, NULL, NULL);
    cr_assert_eq(unlink(CRL_FILE), 0);
    add_list(root, root_key, PKI_DAY, NULL);
    expect(CRL_FILE, "of CN=Below: unable to get certificate CRL", "unable to get certificate CRL");
}

Test(clientca, whom_a_list_names_is_refused_and_whoever_he_issued)
{
    add_list(root, root_key, PKI_DAY, NULL);
    add_list(below, below_key, PKI_DAY, client);
    expect(CRL_FILE, NULL, "certificate revoked");
    cr_assert_eq(unlink(CRL_FILE), 0);
    add_list(below, below_key, PKI_DAY, NULL);
    add_list(root, root_key, PKI_DAY, below);
    expect(CRL_FILE, "of CN=Below: certificate revoked", "certificate revoked");
}

Test(clientca, a_list_that_has_expired_or_is_of_another_key_is_none)
{
    add_list(root, root_key, PKI_DAY, NULL);
    add_list(below, below_key, -60, NULL);
    expect(CRL_FILE, "of CN=Below: CRL has expired", "CRL has expired");
    cr_assert_eq(unlink(CRL_FILE), 0);
    add_list(root, root_key, PKI_DAY, NULL);
    add_list(below, root_key, PKI_DAY, NULL);
    expect(CRL_FILE, "of CN=Below: CRL signature failure", "CRL signature failure");
}

Test(clientca, a_file_of_lists_that_is_none_refuses_everybody)
{
    FILE *file;

    expect(CRL_FILE, "client-crl-file " CRL_FILE ": no revocation lists can be read",
           "unable to get certificate CRL");
    file = fopen(CRL_FILE, "w");
    fputs("no list\n", file);
    fclose(file);
    expect(CRL_FILE, "no revocation lists can be read", "unable to get certificate CRL");
}

Test(clientca, of_a_file_of_lists_that_is_cut_none_counts)
{
    struct stat st;

    add_list(root, root_key, PKI_DAY, NULL);
    add_list(below, below_key, PKI_DAY, NULL);
    expect(CRL_FILE, NULL, NULL);
    add_list(below, below_key, PKI_DAY, client);
    cr_assert_eq(stat(CRL_FILE, &st), 0);
    cr_assert_eq(truncate(CRL_FILE, st.st_size - 100), 0);
    expect(CRL_FILE, "no revocation lists can be read", "unable to get certificate CRL");
}

Test(clientca, a_file_of_lists_that_is_too_large_is_none)
{
    add_list(root, root_key, PKI_DAY, NULL);
    add_list(below, below_key, PKI_DAY, NULL);
    cr_assert_eq(truncate(CRL_FILE, CLIENTCA_LISTS_MAX_LEN), 0);
    expect(CRL_FILE, NULL, NULL);
    cr_assert_eq(truncate(CRL_FILE, CLIENTCA_LISTS_MAX_LEN + 1), 0);
    expect(CRL_FILE, "client-crl-file " CRL_FILE ": it has more than 4194304 bytes",
           "unable to get certificate CRL");
}

Test(clientca, a_delta_list_is_no_list)
{
    add_list(root, root_key, PKI_DAY, NULL);
    delta = true;
    add_list(below, below_key, PKI_DAY, NULL);
    expect(CRL_FILE, "of CN=Below: unable to get certificate CRL", "unable to get certificate CRL");
    delta = false;
    add_list(below, below_key, PKI_DAY, client);
    expect(CRL_FILE, NULL, "certificate revoked");
}

Test(clientca, other_purposes_and_other_issuers_are_refused)
{
    struct fault lists = FAULT_INIT, why = FAULT_INIT;
    X509 *stranger = make("client", client_key, NULL, client_key);
    X509_STORE *store;

    cr_assert_eq(clientca_load(CA_FILE, "", NULL, &store, &lists, &why), KS_OK);
    cr_assert_not_null(clientca_refuses(store, NULL, stranger, NULL, "ssl_client"));
    cr_assert_not_null(clientca_refuses(store, NULL, client, NULL, "ssl_server"));
    cr_assert_null(clientca_refuses(store, NULL, client, NULL, NULL));
    X509_STORE_free(store);
    X509_free(stranger);
}

Test(clientca, without_a_file_of_cas_there_is_nothing)
{
    struct fault lists = FAULT_INIT, why = FAULT_INIT;
    X509_STORE *store;

    cr_assert_eq(clientca_load("none.pem", "", NULL, &store, &lists, &why), KS_ERR_USAGE);
    cr_assert(strstr(why.text, "client-ca-file none.pem: no certificates can be read"));
}
