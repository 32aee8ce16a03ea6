/* SPDX-License-Identifier: Apache-2.0 */
/*
 * altname - reading, comparing and printing alternative names
 */
#include "client/agent/certificate/altname.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <strings.h>

#include "base/certname.h"

#define BLANK " \t\r\n"

static const char *const WORD[] = {
    [KS_NAME_DNS] = "DNS",
    [KS_NAME_IP] = "IP",
    [KS_NAME_EMAIL] = "EMAIL",
    [KS_NAME_URI] = "URI",
};

/* The numbers of the library's kinds are those of base/certname.h. */
_Static_assert((int)KS_NAME_DNS == (int)CERTNAME_DNS && (int)KS_NAME_IP == (int)CERTNAME_IP &&
                   (int)KS_NAME_EMAIL == (int)CERTNAME_EMAIL &&
                   (int)KS_NAME_URI == (int)CERTNAME_URI,
               "one kind is another");

static ks_err add_part(struct altname_list *list, char *part, struct fault *why);
static ks_err append(struct altname_list *list, enum ks_name_kind kind, const char *value);

void
altname_deinit(struct altname_list *list)
{
    for (size_t i = 0; i < list->n_names; i++)
        free((char *)(uintptr_t)list->names[i].value);
    free(list->names);
    memset(list, 0, sizeof(*list));
}

const char *
altname_kind_word(enum ks_name_kind kind)
{
    return WORD[kind];
}

/* As the library and the certificates have them: addresses in their one form. */
static const char *
canonical(enum ks_name_kind kind, const char *value, char room[static INET6_ADDRSTRLEN])
{
    uint8_t binary[sizeof(struct in6_addr)];

    for (size_t i = 0; kind == KS_NAME_IP && i < 2; i++) {
        int family = i == 0 ? AF_INET : AF_INET6;

        if (inet_pton(family, value, binary) == 1)
            return inet_ntop(family, binary, room, INET6_ADDRSTRLEN);
    }
    return value;
}

ks_err
altname_add(struct altname_list *list, enum ks_name_kind kind, const char *value, struct fault *why)
{
    char room[INET6_ADDRSTRLEN];
    ks_err err;

    if (certname_check((enum certname_kind)kind, value, why) != KS_OK) {
        fault_prefix(why, "alternative name %s:%.80s", WORD[kind], value);
        return KS_ERR_USAGE;
    }
    err = append(list, kind, canonical(kind, value, room));
    if (err == KS_ERR_TOO_LARGE)
        fault_set(why, "more than %u alternative names", KS_MAX_ALTERNATIVE_NAMES);
    return err;
}

static ks_err
append(struct altname_list *list, enum ks_name_kind kind, const char *value)
{
    struct ks_alternative_name name = {.kind = kind, .value = value};
    struct ks_alternative_name *names;
    char *copy;

    if (altname_contains(list, &name))
        return KS_OK;
    if (list->n_names == KS_MAX_ALTERNATIVE_NAMES)
        return KS_ERR_TOO_LARGE;
    names = reallocarray(list->names, list->n_names + 1, sizeof(*names));
    if (!names)
        return KS_ERR_INTERNAL;
    list->names = names;
    copy = strdup(value);
    if (!copy)
        return KS_ERR_INTERNAL;
    names[list->n_names++] = (struct ks_alternative_name){.kind = kind, .value = copy};
    return KS_OK;
}

bool
altname_contains(const struct altname_list *list, const struct ks_alternative_name *name)
{
    bool any_case = name->kind == KS_NAME_DNS || name->kind == KS_NAME_EMAIL;

    for (size_t i = 0; i < list->n_names; i++) {
        const struct ks_alternative_name *at = &list->names[i];

        if (at->kind == name->kind && (any_case ? strcasecmp(at->value, name->value) == 0
                                                : strcmp(at->value, name->value) == 0))
            return true;
    }
    return false;
}

/* --- text --- */

ks_err
altname_parse(struct altname_list *list, const char *text, struct fault *why)
{
    ks_auto(freep) char *copy = strdup(text);
    char *next = copy, *part;

    if (!copy)
        return KS_ERR_INTERNAL;
    while ((part = strsep(&next, ","))) {
        ks_err err = add_part(list, part, why);

        if (err)
            return err;
    }
    return KS_OK;
}

static enum ks_name_kind
kind_of(const char *value)
{
    uint8_t binary[sizeof(struct in6_addr)];

    if (inet_pton(AF_INET, value, binary) == 1 || inet_pton(AF_INET6, value, binary) == 1)
        return KS_NAME_IP;
    if (strstr(value, "://"))
        return KS_NAME_URI;
    return strchr(value, '@') ? KS_NAME_EMAIL : KS_NAME_DNS;
}

static ks_err
add_part(struct altname_list *list, char *part, struct fault *why)
{
    enum ks_name_kind kind;
    size_t len;

    part += strspn(part, BLANK);
    len = strlen(part);
    while (len > 0 && strchr(BLANK, part[len - 1]))
        part[--len] = '\0';
    if (len == 0) {
        fault_set(why, "alternative names: nothing stands before or behind a comma");
        return KS_ERR_USAGE;
    }
    for (kind = KS_NAME_DNS; kind <= KS_NAME_URI; kind++) {
        size_t word_len = strlen(WORD[kind]);

        if (strncasecmp(part, WORD[kind], word_len) == 0 && part[word_len] == ':')
            return altname_add(list, kind, part + word_len + 1, why);
    }
    return altname_add(list, kind_of(part), part, why);
}

void
altname_text(const struct altname_list *list, char *out, size_t cap)
{
    size_t len = 0;

    snprintf(out, cap, "none");
    for (size_t i = 0; i < list->n_names; i++) {
        const struct ks_alternative_name *name = &list->names[i];
        int n = snprintf(out + len, cap - len, "%s%s:%s", i > 0 ? ", " : "", WORD[name->kind],
                         name->value);

        if (n < 0)
            return;
        len += (size_t)n;
        if (len >= cap) {
            snprintf(out + cap - sizeof("..."), sizeof("..."), "...");
            return;
        }
    }
}

/* --- certificates --- */

static ks_err
read_text(struct altname_list *list, enum ks_name_kind kind, const ASN1_IA5STRING *value)
{
    int len = ASN1_STRING_length(value);
    char text[CERTNAME_MAX_LEN + 1];
    struct fault why = FAULT_INIT;

    if (len <= 0 || (size_t)len >= sizeof(text))
        return KS_OK;
    memcpy(text, ASN1_STRING_get0_data(value), (size_t)len);
    text[len] = '\0';
    if (strlen(text) != (size_t)len ||
        certname_check((enum certname_kind)kind, text, &why) != KS_OK)
        return KS_OK;
    return append(list, kind, text);
}

static ks_err
read_address(struct altname_list *list, const ASN1_OCTET_STRING *value)
{
    int len = ASN1_STRING_length(value);
    char text[INET6_ADDRSTRLEN];

    if (len != sizeof(struct in_addr) && len != sizeof(struct in6_addr))
        return KS_OK;
    if (!inet_ntop(len == sizeof(struct in_addr) ? AF_INET : AF_INET6, ASN1_STRING_get0_data(value),
                   text, sizeof(text)))
        return KS_OK;
    return append(list, KS_NAME_IP, text);
}

ks_err
altname_read(struct altname_list *list, const GENERAL_NAMES *names)
{
    ks_err err = KS_OK;

    for (int i = 0; !err && i < sk_GENERAL_NAME_num(names); i++) {
        int type;
        const void *value = GENERAL_NAME_get0_value(sk_GENERAL_NAME_value(names, i), &type);

        if (type == GEN_IPADD)
            err = read_address(list, value);
        else if (type == GEN_DNS)
            err = read_text(list, KS_NAME_DNS, value);
        else if (type == GEN_EMAIL)
            err = read_text(list, KS_NAME_EMAIL, value);
        else if (type == GEN_URI)
            err = read_text(list, KS_NAME_URI, value);
    }
    return err;
}
