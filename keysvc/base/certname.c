/* SPDX-License-Identifier: Apache-2.0 */
/*
 * certname - reading names and the patterns over them
 *
 * Stricter than any certificate user: what is let in here must not be read by somebody else as
 * another name. Hence no underscores, no trailing dot, no last label of digits (inet_aton would
 * take it for an address), no dot segments in a URI, and ASCII only.
 */
#include "base/certname.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <strings.h>

#define DNS_MAX_LEN 253        /* RFC 1035, in text form */
#define DNS_LABEL_MAX_LEN 63   /* RFC 1035 */
#define EMAIL_LOCAL_MAX_LEN 64 /* RFC 5321 */

struct address {
    int family; /* 0: not an address */
    size_t len; /* bytes */
    uint8_t bytes[16];
};

static bool dns_valid(const char *name);
static bool email_valid(const char *name);
static bool uri_valid(const char *name);
static struct address address_of(const char *text);
static ks_err network_check(const char *pattern, struct fault *why);
static bool network_match(const char *pattern, const char *name);
static ks_err email_pattern_check(const char *pattern, struct fault *why);
static bool email_match(const char *pattern, const char *name);
static ks_err uri_pattern_check(const char *pattern, struct fault *why);
static bool uri_match(const char *pattern, const char *name);
static bool is_below(const char *dotted, const char *name);

static bool
is_alpha(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool
is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static ks_err
refuse(struct fault *why, const char *name, const char *what)
{
    fault_set(why, "\"%s\" %s", name, what);
    return KS_ERR_BAD_REQUEST;
}

static ks_err
printable_check(const char *name, struct fault *why)
{
    size_t len = strnlen(name, CERTNAME_MAX_LEN + 1);

    if (len == 0 || len > CERTNAME_MAX_LEN) {
        fault_set(why, "a name has 1 to %d bytes", CERTNAME_MAX_LEN);
        return KS_ERR_BAD_REQUEST;
    }
    for (size_t i = 0; i < len; i++) {
        if (name[i] <= ' ' || name[i] > '~') {
            fault_set(why, "a name has a space, a control character or a byte that is not ASCII");
            return KS_ERR_BAD_REQUEST;
        }
    }
    return KS_OK;
}

ks_err
certname_check(enum certname_kind kind, const char *name, struct fault *why)
{
    ks_err err = printable_check(name, why);

    if (err)
        return err;
    switch (kind) {
    case CERTNAME_DNS:
        if (!dns_valid(strncmp(name, "*.", 2) == 0 ? name + 2 : name))
            return refuse(why, name, "is not a DNS name");
        return KS_OK;
    case CERTNAME_IP:
        if (address_of(name).family == 0)
            return refuse(why, name, "is not an IP address");
        return KS_OK;
    case CERTNAME_EMAIL:
        if (!email_valid(name))
            return refuse(why, name, "is not an e-mail address");
        return KS_OK;
    case CERTNAME_URI:
        if (!uri_valid(name))
            return refuse(why, name, "is not an absolute URI without dot segments");
        return KS_OK;
    }
    return refuse(why, name, "is a name of an unknown kind");
}

ks_err
certname_pattern_check(const char *pattern, struct fault *why)
{
    ks_err err = printable_check(pattern, why);

    if (err)
        return err;
    if (strncmp(pattern, "email:", 6) == 0)
        return email_pattern_check(pattern, why);
    if (strncmp(pattern, "uri:", 4) == 0)
        return uri_pattern_check(pattern, why);
    if (strchr(pattern, '/'))
        return network_check(pattern, why);
    if (address_of(pattern).family != 0)
        return KS_OK;
    if (pattern[0] == '.' ? dns_valid(pattern + 1)
                          : dns_valid(strncmp(pattern, "*.", 2) == 0 ? pattern + 2 : pattern))
        return KS_OK;
    return refuse(why, pattern, "is neither a DNS name, an address, a network nor email: or uri:");
}

enum certname_kind
certname_kind_of_common_name(const char *name)
{
    if (address_of(name).family != 0)
        return CERTNAME_IP;
    return strchr(name, '@') ? CERTNAME_EMAIL : CERTNAME_DNS;
}

bool
certname_match(const char *pattern, enum certname_kind kind, const char *name)
{
    bool is_email = strncmp(pattern, "email:", 6) == 0, is_uri = strncmp(pattern, "uri:", 4) == 0;

    switch (kind) {
    case CERTNAME_DNS:
        if (is_email || is_uri || strchr(pattern, '/'))
            return false;
        return pattern[0] == '.' ? is_below(pattern, name) : strcasecmp(pattern, name) == 0;
    case CERTNAME_IP:
        return !is_email && !is_uri && network_match(pattern, name);
    case CERTNAME_EMAIL:
        return is_email && email_match(pattern + 6, name);
    case CERTNAME_URI:
        return is_uri && uri_match(pattern + 4, name);
    }
    return false;
}

/* ".shop.example" and "a.shop.example"; a wildcard name is only ever let in by its own pattern. */
static bool
is_below(const char *dotted, const char *name)
{
    size_t dotted_len = strlen(dotted), name_len = strlen(name);

    return name[0] != '*' && name_len > dotted_len &&
           strcasecmp(name + name_len - dotted_len, dotted) == 0;
}

static bool
label_valid(const char *label, size_t len)
{
    if (len == 0 || len > DNS_LABEL_MAX_LEN || label[0] == '-' || label[len - 1] == '-')
        return false;
    for (size_t i = 0; i < len; i++) {
        if (!is_alpha(label[i]) && !is_digit(label[i]) && label[i] != '-')
            return false;
    }
    return true;
}

static bool
dns_valid(const char *name)
{
    const char *label = name;

    if (strlen(name) > DNS_MAX_LEN)
        return false;
    for (;;) {
        size_t len = strcspn(label, ".");

        if (!label_valid(label, len))
            return false;
        if (label[len] == '\0')
            return label[strspn(label, "0123456789")] != '\0';
        label += len + 1;
    }
}

static struct address
address_of(const char *text)
{
    struct address address = {0};

    if (inet_pton(AF_INET, text, address.bytes) == 1) {
        address.family = AF_INET;
        address.len = 4;
    } else if (inet_pton(AF_INET6, text, address.bytes) == 1) {
        address.family = AF_INET6;
        address.len = 16;
    }
    return address;
}

/* "10.0.0.0/8"; a plain address is a network of one. */
static bool
network_of(const char *pattern, struct address *base, size_t *bits)
{
    char text[INET6_ADDRSTRLEN];
    size_t len = strcspn(pattern, "/");
    const char *digits = pattern + len + 1;

    if (len >= sizeof(text))
        return false;
    memcpy(text, pattern, len);
    text[len] = '\0';
    *base = address_of(text);
    *bits = base->len * 8;
    if (base->family == 0 || pattern[len] == '\0')
        return base->family != 0;
    if (strlen(digits) == 0 || strlen(digits) > 3 || digits[strspn(digits, "0123456789")] != '\0' ||
        (digits[0] == '0' && digits[1] != '\0'))
        return false;
    *bits = strtoul(digits, NULL, 10);
    return *bits <= base->len * 8;
}

static bool
bits_equal(const uint8_t *a, const uint8_t *b, size_t bits)
{
    uint8_t mask = (uint8_t)(0xff00 >> (bits % 8));

    if (memcmp(a, b, bits / 8) != 0)
        return false;
    return bits % 8 == 0 || ((a[bits / 8] ^ b[bits / 8]) & mask) == 0;
}

static ks_err
network_check(const char *pattern, struct fault *why)
{
    struct address base, low = {0};
    size_t bits;

    if (!network_of(pattern, &base, &bits))
        return refuse(why, pattern, "is not a network as 10.0.0.0/8 or 2001:db8::/32");
    memcpy(low.bytes, base.bytes, bits / 8);
    if (bits % 8 != 0)
        low.bytes[bits / 8] = base.bytes[bits / 8] & (uint8_t)(0xff00 >> (bits % 8));
    if (memcmp(low.bytes, base.bytes, sizeof(low.bytes)) != 0)
        return refuse(why, pattern, "has bits set behind its prefix; which network is meant?");
    return KS_OK;
}

static bool
network_match(const char *pattern, const char *name)
{
    struct address base, address = address_of(name);
    size_t bits;

    return network_of(pattern, &base, &bits) && address.family == base.family &&
           bits_equal(base.bytes, address.bytes, bits);
}

/* A dot-atom (RFC 5322); quoted ones are nobody's certificate name, and a star would look like a
 * pattern. */
static bool
local_part_valid(const char *text, size_t len)
{
    if (len == 0 || len > EMAIL_LOCAL_MAX_LEN || text[0] == '.' || text[len - 1] == '.')
        return false;
    for (size_t i = 0; i < len; i++) {
        if (!is_alpha(text[i]) && !is_digit(text[i]) && !strchr("!#$%&'+-/=?^_`{|}~.", text[i]))
            return false;
        if (text[i] == '.' && text[i + 1] == '.')
            return false;
    }
    return true;
}

static bool
email_valid(const char *name)
{
    const char *at = strchr(name, '@');

    return at && local_part_valid(name, (size_t)(at - name)) && dns_valid(at + 1);
}

static ks_err
email_pattern_check(const char *pattern, struct fault *why)
{
    const char *rest = pattern + 6;

    if (rest[0] == '@' || rest[0] == '.' ? dns_valid(rest + 1) : email_valid(rest))
        return KS_OK;
    return refuse(why, pattern, "is neither email:user@host, email:@host nor email:.domain");
}

static bool
email_match(const char *pattern, const char *name)
{
    const char *host = strchr(name, '@') + 1;
    const char *pattern_host = strchr(pattern, '@');
    size_t local_len = (size_t)(host - name);

    if (pattern[0] == '.')
        return is_below(pattern, host);
    if (pattern[0] == '@')
        return strcasecmp(pattern + 1, host) == 0;
    /* The local part's case is its owner's business: exact. */
    return (size_t)(pattern_host + 1 - pattern) == local_len &&
           memcmp(pattern, name, local_len) == 0 && strcasecmp(pattern_host + 1, host) == 0;
}

static bool
is_hex(char c)
{
    return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

/* The length of the dot at `text`, "." or "%2e"; 0: there is none. */
static size_t
dot_len(const char *text)
{
    if (text[0] == '.')
        return 1;
    return strncasecmp(text, "%2e", 3) == 0 ? 3 : 0;
}

/* Is there a segment `.` or `..`, which would lead out of the prefix that a pattern allows? */
static bool
has_dot_segment(const char *path)
{
    for (const char *slash = strchr(path, '/'); slash; slash = strchr(slash + 1, '/')) {
        const char *at = slash + 1;
        size_t n_dots = 0;

        for (; dot_len(at) > 0; n_dots++)
            at += dot_len(at);
        if ((n_dots == 1 || n_dots == 2) && (*at == '\0' || strchr("/?#", *at)))
            return true;
    }
    return false;
}

/* RFC 3986: a scheme, a colon, something; only its characters, whole percent triplets. */
static bool
uri_valid(const char *name)
{
    const char *colon = strchr(name, ':');

    if (!colon || !is_alpha(name[0]) || colon[1] == '\0')
        return false;
    for (const char *at = name; at < colon; at++) {
        if (!is_alpha(*at) && !is_digit(*at) && !strchr("+-.", *at))
            return false;
    }
    for (const char *at = colon + 1; *at != '\0'; at++) {
        if (strchr("\"<>\\^`{|}", *at))
            return false;
        if (*at == '%' && !(is_hex(at[1]) && is_hex(at[2])))
            return false;
    }
    return !has_dot_segment(colon + 1);
}

static ks_err
uri_pattern_check(const char *pattern, struct fault *why)
{
    const char *uri = pattern + 4;
    const char *authority = strstr(uri, "://");

    if (!uri_valid(uri))
        return refuse(why, pattern, "is not uri: and an absolute URI without dot segments");
    /* As a prefix, https:// would stand for every host there is. */
    if (authority && (authority[3] == '\0' || authority[3] == '/'))
        return refuse(why, pattern, "names no host");
    if (!authority && uri[strlen(uri) - 1] == '/')
        return refuse(why, pattern, "is a prefix that names no host");
    return KS_OK;
}

static bool
uri_match(const char *pattern, const char *name)
{
    size_t len = strlen(pattern);

    if (pattern[len - 1] == '/')
        return strncmp(name, pattern, len) == 0;
    return strcmp(name, pattern) == 0;
}
