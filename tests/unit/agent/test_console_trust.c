/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_console_trust - which certificates the console takes for an agent's
 */
#include <criterion/criterion.h>
#include <criterion/parameterized.h>

#include "client/agent/console/trust.h"
#include "pki.h"

/* An agent's certificate, issued by a CA, with a key of each type. */
struct world {
    X509 *ca, *issued, *self_signed;
    STACK_OF(X509) * authorities;
    struct trust trust;
};

static X509 *
make_ca(const char *subject, unsigned int which)
{
    const struct pki_certificate wanted = {.subject = subject,
                                           .key = pki_key(PKI_P256, which),
                                           .issuer_key = pki_key(PKI_P256, which),
                                           .constraints = "critical,CA:TRUE"};

    return pki_make(&wanted);
}

static struct world
world(enum pki_type type)
{
    struct world made = {.ca = make_ca("CA", 7), .authorities = sk_X509_new_null()};
    const struct pki_certificate issued = {.subject = "a.example",
                                           .key = pki_key(type, 0),
                                           .issuer = made.ca,
                                           .issuer_key = pki_key(PKI_P256, 7),
                                           .usage = "serverAuth",
                                           .names = "DNS:a.example,IP:192.0.2.1"};
    const struct pki_certificate self_signed = {
        .subject = "a.example", .key = pki_key(type, 0), .issuer_key = pki_key(type, 0)};

    made.issued = pki_make(&issued);
    made.self_signed = pki_make(&self_signed);
    sk_X509_push(made.authorities, made.ca);
    return made;
}

static void
end(struct world *world)
{
    trust_deinit(&world->trust);
    sk_X509_free(world->authorities);
    X509_free(world->ca);
    X509_free(world->issued);
    X509_free(world->self_signed);
}

static bool
judge(const struct world *world, X509 *leaf, time_t now, struct trust_verdict *verdict)
{
    trust_judge(&world->trust, leaf, NULL, now, verdict);
    cr_assert(verdict->trusted || verdict->why[0]);
    return verdict->trusted;
}

static bool
is_trusted(const struct world *world, X509 *leaf)
{
    struct trust_verdict verdict;

    return judge(world, leaf, PKI_NOW, &verdict);
}

ParameterizedTestParameters(console_trust, pinned_is_exactly_that_certificate)
{
    static enum pki_type types[] = {PKI_P256, PKI_RSA2048, PKI_ED25519};

    return cr_make_param_array(enum pki_type, types, ARRAY_LEN(types));
}

ParameterizedTest(enum pki_type *type, console_trust, pinned_is_exactly_that_certificate)
{
    struct world a = world(*type), b = world(*type);
    struct trust_verdict verdict;

    cr_assert_eq(trust_pin(&a.trust, a.self_signed), KS_OK);
    cr_assert(is_trusted(&a, a.self_signed));
    /* The same key and name, signed once more, is another one. */
    cr_assert_not(judge(&a, b.self_signed, PKI_NOW, &verdict));
    cr_assert(strstr(verdict.why, "changed"));
    cr_assert_not(is_trusted(&a, a.issued));
    end(&a);
    end(&b);
}

Test(console_trust, nothing_is_trusted_before_it_was_said)
{
    struct world a = world(PKI_P256);

    cr_assert_not(is_trusted(&a, a.self_signed));
    a.trust.kind = TRUST_PINNED; /* with no certificate */
    cr_assert_not(is_trusted(&a, a.self_signed));
    a.trust.kind = TRUST_CA;
    cr_assert_not(is_trusted(&a, a.self_signed));
    end(&a);
}

Test(console_trust, a_pinned_certificate_is_trusted_while_it_is_valid)
{
    struct world a = world(PKI_P256);
    struct trust_verdict verdict;

    cr_assert_eq(trust_pin(&a.trust, a.self_signed), KS_OK);
    cr_assert_not(judge(&a, a.self_signed, PKI_NOW + 31 * PKI_DAY, &verdict));
    cr_assert(strstr(verdict.why, "expired"));
    cr_assert_not(judge(&a, a.self_signed, PKI_NOW - 2 * PKI_DAY, &verdict));
    cr_assert(strstr(verdict.why, "not valid before"));
    end(&a);
}

ParameterizedTestParameters(console_trust, a_ca_is_trusted_for_the_name_only)
{
    static enum pki_type types[] = {PKI_P256, PKI_RSA2048, PKI_ED25519};

    return cr_make_param_array(enum pki_type, types, ARRAY_LEN(types));
}

ParameterizedTest(enum pki_type *type, console_trust, a_ca_is_trusted_for_the_name_only)
{
    struct world a = world(*type);

    cr_assert_eq(trust_by_ca(&a.trust, a.authorities, "a.example"), KS_OK);
    cr_assert(is_trusted(&a, a.issued));
    cr_assert_not(is_trusted(&a, a.self_signed));
    cr_assert_eq(trust_by_ca(&a.trust, a.authorities, "192.0.2.1"), KS_OK);
    cr_assert(is_trusted(&a, a.issued));
    cr_assert_eq(trust_by_ca(&a.trust, a.authorities, "192.0.2.2"), KS_OK);
    cr_assert_not(is_trusted(&a, a.issued));
    cr_assert_eq(trust_by_ca(&a.trust, a.authorities, "b.example"), KS_OK);
    cr_assert_not(is_trusted(&a, a.issued));
    end(&a);
}

Test(console_trust, an_address_is_not_looked_for_among_host_names)
{
    struct world a = world(PKI_P256);
    const struct pki_certificate tricky = {.subject = "192.0.2.9",
                                           .key = pki_key(PKI_P256, 0),
                                           .issuer = a.ca,
                                           .issuer_key = pki_key(PKI_P256, 7),
                                           .usage = "serverAuth",
                                           .names = "DNS:192.0.2.9"};
    X509 *leaf = pki_make(&tricky);

    cr_assert_eq(trust_by_ca(&a.trust, a.authorities, "192.0.2.9"), KS_OK);
    cr_assert_not(is_trusted(&a, leaf));
    X509_free(leaf);
    end(&a);
}

struct refused {
    char what[32], usage[16]; /* not pointers: a test is another process */
    int64_t from_s, to_s;
    unsigned int signed_by;
};

ParameterizedTestParameters(console_trust, what_the_ca_did_not_issue_for_a_server_is_refused)
{
    static struct refused rows[] = {
        {"a client's", "clientAuth", 0, 0, 7},
        {"expired", "serverAuth", PKI_NOW - 3 * PKI_DAY, PKI_NOW - PKI_DAY, 7},
        {"not yet valid", "serverAuth", PKI_NOW + PKI_DAY, PKI_NOW + 2 * PKI_DAY, 7},
        {"another CA's of the same name", "serverAuth", 0, 0, 6},
    };

    return cr_make_param_array(struct refused, rows, ARRAY_LEN(rows));
}

ParameterizedTest(struct refused *row, console_trust,
                  what_the_ca_did_not_issue_for_a_server_is_refused)
{
    struct world a = world(PKI_P256);
    const struct pki_certificate wanted = {.subject = "a.example",
                                           .key = pki_key(PKI_P256, 0),
                                           .issuer = a.ca,
                                           .issuer_key = pki_key(PKI_P256, row->signed_by),
                                           .from_s = row->from_s,
                                           .to_s = row->to_s,
                                           .usage = row->usage,
                                           .names = "DNS:a.example"};
    X509 *leaf = pki_make(&wanted);

    cr_assert_eq(trust_by_ca(&a.trust, a.authorities, "a.example"), KS_OK);
    cr_assert(is_trusted(&a, a.issued));
    cr_assert_not(is_trusted(&a, leaf), "%s", row->what);
    X509_free(leaf);
    end(&a);
}

Test(console_trust, what_is_expected_counts_until_something_else_is_trusted)
{
    struct world a = world(PKI_P256), b = world(PKI_ED25519);
    struct trust_verdict verdict;

    cr_assert_eq(trust_pin(&a.trust, a.self_signed), KS_OK);
    cr_assert_eq(trust_expect(&a.trust, a.issued), KS_OK);
    cr_assert(judge(&a, a.issued, PKI_NOW, &verdict));
    cr_assert(verdict.expected);
    cr_assert(judge(&a, a.self_signed, PKI_NOW, &verdict));
    cr_assert_not(verdict.expected);
    cr_assert_not(is_trusted(&a, b.issued));
    cr_assert_not(judge(&a, a.issued, PKI_NOW + 31 * PKI_DAY, &verdict));
    cr_assert_eq(trust_pin(&a.trust, b.issued), KS_OK);
    cr_assert_not(is_trusted(&a, a.issued));
    cr_assert_not(is_trusted(&a, a.self_signed));
    end(&a);
    end(&b);
}

Test(console_trust, what_is_expected_is_known_by_its_key)
{
    struct world a = world(PKI_P256), b = world(PKI_ED25519);
    struct trust_verdict verdict;

    cr_assert_eq(trust_pin(&a.trust, a.issued), KS_OK);
    cr_assert_not(is_trusted(&a, a.self_signed));
    cr_assert_eq(trust_expect(&a.trust, a.issued), KS_OK);
    cr_assert(judge(&a, a.self_signed, PKI_NOW, &verdict));
    cr_assert(verdict.expected);
    cr_assert_not(judge(&a, a.self_signed, PKI_NOW + 400 * PKI_DAY, &verdict));
    cr_assert_not(is_trusted(&a, b.self_signed));
    trust_expect_nothing(&a.trust);
    cr_assert_not(is_trusted(&a, a.self_signed));
    end(&a);
    end(&b);
}

static X509 *
of_key(unsigned int which)
{
    const struct pki_certificate wanted = {.subject = "a.example",
                                           .key = pki_key(PKI_P256, which),
                                           .issuer_key = pki_key(PKI_P256, which)};

    return pki_make(&wanted);
}

Test(console_trust, several_keys_may_be_expected_each_once_and_the_oldest_goes)
{
    struct world a = world(PKI_ED25519);
    X509 *keys[TRUST_EXPECTED_MAX + 1], *again = of_key(1);

    for (unsigned int i = 0; i < ARRAY_LEN(keys); i++)
        keys[i] = of_key(i);
    for (size_t i = 0; i < TRUST_EXPECTED_MAX; i++)
        cr_assert_eq(trust_expect(&a.trust, keys[i]), KS_OK);
    cr_assert_eq(trust_expect(&a.trust, again), KS_OK);
    for (size_t i = 0; i < TRUST_EXPECTED_MAX; i++)
        cr_assert(is_trusted(&a, keys[i]));
    trust_unexpect(&a.trust, again); /* of that key it is another one */
    cr_assert(is_trusted(&a, keys[1]));
    cr_assert_eq(trust_expect(&a.trust, keys[TRUST_EXPECTED_MAX]), KS_OK);
    cr_assert_not(is_trusted(&a, keys[0]));
    cr_assert(is_trusted(&a, keys[TRUST_EXPECTED_MAX]));
    trust_unexpect(&a.trust, keys[1]);
    cr_assert_not(is_trusted(&a, keys[1]));
    cr_assert(is_trusted(&a, keys[2]));
    for (size_t i = 0; i < ARRAY_LEN(keys); i++)
        X509_free(keys[i]);
    X509_free(again);
    end(&a);
}

Test(console_trust, an_intermediate_may_be_the_anchor_or_come_with_the_certificate)
{
    struct world a = world(PKI_P256);
    const struct pki_certificate middle = {.subject = "Middle",
                                           .key = pki_key(PKI_P256, 5),
                                           .issuer = a.ca,
                                           .issuer_key = pki_key(PKI_P256, 7),
                                           .constraints = "critical,CA:TRUE"};
    X509 *intermediate = pki_make(&middle);
    const struct pki_certificate wanted = {.subject = "a.example",
                                           .key = pki_key(PKI_P256, 0),
                                           .issuer = intermediate,
                                           .issuer_key = pki_key(PKI_P256, 5),
                                           .names = "DNS:a.example"};
    X509 *leaf = pki_make(&wanted);
    STACK_OF(X509) *list = sk_X509_new_null();
    struct trust_verdict verdict;

    sk_X509_push(list, intermediate);
    cr_assert_eq(trust_by_ca(&a.trust, a.authorities, "a.example"), KS_OK);
    cr_assert_not(is_trusted(&a, leaf));
    trust_judge(&a.trust, leaf, list, PKI_NOW, &verdict);
    cr_assert(verdict.trusted, "%s", verdict.why);
    cr_assert_eq(trust_by_ca(&a.trust, list, "a.example"), KS_OK);
    cr_assert(is_trusted(&a, leaf));
    sk_X509_free(list);
    X509_free(intermediate);
    X509_free(leaf);
    end(&a);
}

/* --- what people type and see --- */

Test(console_trust, fingerprints_are_read_as_people_have_them)
{
    static const char *const GOOD[] = {
        "00112233445566778899aabbccddeeff00112233445566778899AABBCCDDEEFF",
        "SHA256:00:11:22:33:44:55:66:77:88:99:AA:BB:CC:DD:EE:FF:00:11:22:33:44:55:66:77:88:99:aa:"
        "bb:"
        "cc:dd:ee:ff",
    };
    static const char *const BAD[] = {
        "",
        "sha256:",
        "00112233445566778899aabbccddeeff00112233445566778899AABBCCDDEEF",
        "00112233445566778899aabbccddeeff00112233445566778899AABBCCDDEEFF0",
        "0:0112233445566778899aabbccddeeff00112233445566778899AABBCCDDEEFF",
        "g0112233445566778899aabbccddeeff00112233445566778899AABBCCDDEEFF",
    };
    uint8_t bytes[PEERCERT_SHA256_LEN];

    for (size_t i = 0; i < ARRAY_LEN(GOOD); i++) {
        cr_assert(peercert_parse_fingerprint(GOOD[i], bytes));
        cr_assert_eq(bytes[31], 0xff);
    }
    for (size_t i = 0; i < ARRAY_LEN(BAD); i++)
        cr_assert_not(peercert_parse_fingerprint(BAD[i], bytes), "%s", BAD[i]);
}

Test(console_trust, what_a_fingerprint_shows_is_read_back)
{
    struct world a = world(PKI_ED25519);
    char text[PEERCERT_FINGERPRINT_LEN];
    uint8_t bytes[PEERCERT_SHA256_LEN], shown[PEERCERT_SHA256_LEN];

    peercert_fingerprint(a.issued, text);
    peercert_sha256(a.issued, shown);
    cr_assert(peercert_parse_fingerprint(text, bytes));
    cr_assert_arr_eq(bytes, shown, sizeof(bytes));
    end(&a);
}
