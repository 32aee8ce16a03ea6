/* SPDX-License-Identifier: Apache-2.0 */
/*
 * csr_check - may a certificate request with these fields be made for a key of this class?
 *
 * Fields come from a client through the front, neither of which is trusted with names: this is the
 * place where the class's `names` hold. Organisation and place are not restricted by a class; what
 * they claim is for the certificate authority to judge.
 */
#include "token/csr.h"

#include <openssl/asn1.h>

#define COUNTRY_LEN 2

/* clang-format off */
static const struct { const char *name; size_t offset; size_t max; /* characters */ } FIELDS[] = {
    {"country",            offsetof(struct job_csr, country), COUNTRY_LEN},
    {"state",              offsetof(struct job_csr, state), 128},
    {"locality",           offsetof(struct job_csr, locality), 128},
    {"organization",       offsetof(struct job_csr, organization), 64},
    {"organization unit",  offsetof(struct job_csr, organization_unit), 64},
    {"common name",        offsetof(struct job_csr, common_name), 64},
    {"e-mail address",     offsetof(struct job_csr, email), 255},
    {"challenge password", offsetof(struct job_csr, challenge_password), 255}, /* may be NULL */
};
/* clang-format on */

static ks_err check_class(const struct config_class *class, struct fault *why);
static ks_err check_text(const char *field, const char *text, size_t max, struct fault *why);
static bool is_control(unsigned long character);
static ks_err check_country(const char *country, struct fault *why);
static ks_err check_name(const struct config_class *class, const char *field,
                         enum certname_kind kind, const char *name, struct fault *why);

ks_err
csr_check(const struct job_csr *job, const struct config_class *class, struct fault *why)
{
    ks_err err = check_class(class, why);

    for (size_t i = 0; !err && i < ARRAY_LEN(FIELDS); i++) {
        const char *text = *(const char *const *)((const char *)job + FIELDS[i].offset);

        if (text)
            err = check_text(FIELDS[i].name, text, FIELDS[i].max, why);
    }
    if (!err)
        err = check_country(job->country, why);
    if (err)
        return err;
    if (job->n_alternatives > JOB_MAX_ALTERNATIVES) {
        fault_set(why, "a certificate request has at most %d alternative names, not %zu",
                  JOB_MAX_ALTERNATIVES, job->n_alternatives);
        return KS_ERR_BAD_REQUEST;
    }
    if (!*job->common_name && !*job->email && job->n_alternatives == 0) {
        fault_set(why, "a certificate request needs a common name or an alternative name");
        return KS_ERR_BAD_REQUEST;
    }

    if (*job->common_name)
        err = check_name(class, "common name", certname_kind_of_common_name(job->common_name),
                         job->common_name, why);
    if (!err && *job->email)
        err = check_name(class, "e-mail address", CERTNAME_EMAIL, job->email, why);
    for (size_t i = 0; !err && i < job->n_alternatives; i++)
        err = check_name(class, "alternative name", job->alternatives[i].kind,
                         job->alternatives[i].value, why);
    return err;
}

static ks_err
check_class(const struct config_class *class, struct fault *why)
{
    if (class->purpose != KS_PURPOSE_TLS_SERVER && class->purpose != KS_PURPOSE_TLS_CLIENT &&
        class->purpose != KS_PURPOSE_TLS && class->purpose != KS_PURPOSE_SIGN) {
        fault_set(why, "keys of purpose %s get no certificate requests",
                  ks_purpose_name(class->purpose));
        return KS_ERR_PURPOSE;
    }
    if (class->names.n_items == 0) {
        fault_set(why, "keys \"%s\" allows no names in certificate requests", class->glob);
        fault_hint(why, "add the option `names` to this section of keysvcd.conf");
        return KS_ERR_NAME_NOT_ALLOWED;
    }
    return KS_OK;
}

static ks_err
check_text(const char *field, const char *text, size_t max, struct fault *why)
{
    const uint8_t *at = (const uint8_t *)text;
    size_t left = strlen(text), n_characters = 0;
    unsigned long character;

    while (left > 0) {
        /* Refuses what is longer than necessary, and surrogates. */
        int n_bytes = UTF8_getc(at, (int)(left < INT8_MAX ? left : INT8_MAX), &character);

        if (n_bytes <= 0 || is_control(character)) {
            fault_set(why, "the %s has a control character or is not UTF-8", field);
            return KS_ERR_BAD_REQUEST;
        }
        at += n_bytes;
        left -= (size_t)n_bytes;
        n_characters++;
    }
    if (n_characters > max) {
        fault_set(why, "the %s has %zu characters, more than %zu", field, n_characters, max);
        return KS_ERR_BAD_REQUEST;
    }
    return KS_OK;
}

/* C0, DEL and C1; line and paragraph separators; what reverses or hides the text around it when an
 * administrator reads it; what is no character at all. */
static bool
is_control(unsigned long character)
{
    static const struct {
        unsigned long first, last;
    } refused[] = {
        {0x0, 0x1f},      {0x7f, 0x9f},     {0x61c, 0x61c},     {0x200b, 0x200f},
        {0x2028, 0x202e}, {0x2060, 0x206f}, {0xd800, 0xdfff},   {0xfdd0, 0xfdef},
        {0xfeff, 0xfeff}, {0xfff9, 0xffff}, {0xe0000, 0xe0fff}, {0x110000, ~0UL},
    };

    for (size_t i = 0; i < ARRAY_LEN(refused); i++) {
        if (character >= refused[i].first && character <= refused[i].last)
            return true;
    }
    return false;
}

static ks_err
check_country(const char *country, struct fault *why)
{
    size_t len = strlen(country);
    bool letters = true;

    for (size_t i = 0; i < len; i++) {
        if ((country[i] < 'A' || country[i] > 'Z') && (country[i] < 'a' || country[i] > 'z'))
            letters = false;
    }
    if (len == 0 || (len == COUNTRY_LEN && letters))
        return KS_OK;
    fault_set(why, "the country is not two letters, such as DE");
    return KS_ERR_BAD_REQUEST;
}

static ks_err
check_name(const struct config_class *class, const char *field, enum certname_kind kind,
           const char *name, struct fault *why)
{
    ks_err err = KS_ERR_BAD_REQUEST;

    if (kind < CERTNAME_DNS || kind > CERTNAME_URI)
        fault_set(why, "no such kind of name");
    else
        err = certname_check(kind, name, why);
    if (err) {
        fault_prefix(why, "%s", field);
        return err;
    }
    for (size_t i = 0; i < class->names.n_items; i++) {
        if (certname_match(class->names.items[i], kind, name))
            return KS_OK;
    }
    fault_set(why, "keys \"%s\" does not allow the %s %s", class->glob, field, name);
    (void)text_copy(why->refused_name, sizeof(why->refused_name), name);
    fault_hint(why, "the option `names` of this section of keysvcd.conf says what is allowed");
    return KS_ERR_NAME_NOT_ALLOWED;
}
