/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz_pattern - names and patterns: of keys, and of what a certificate may claim
 *
 * The bytes are three texts with line breaks between them: two patterns and a name. A match is what
 * trying all ways says; patterns that match one name overlap; a label is what it is split into.
 */
#include "base/certname.h"
#include "base/glob.h"
#include "base/keyname.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define MAX_LEN 600
#define SHORT_LEN 24 /* bytes; trying all ways takes exponential time */

static void
require(bool truth)
{
    if (!truth)
        abort();
}

static bool
tries_match(const char *glob, const char *name)
{
    bool crosses = glob[0] == '*' && glob[1] == '*';

    if (glob[0] == '\0')
        return name[0] == '\0';
    if (glob[0] != '*')
        return glob[0] == name[0] && tries_match(glob + 1, name + 1);
    for (size_t taken = 0;; taken++) {
        if (tries_match(glob + (crosses ? 2 : 1), name + taken))
            return true;
        if (name[taken] == '\0' || (!crosses && name[taken] == '/'))
            return false;
    }
}

static bool
glob_right(const char *glob)
{
    struct fault why = FAULT_INIT;
    bool right = glob_check(glob, &why) == KS_OK;

    require(right == (why.text[0] == '\0'));
    return right;
}

static void
check_globs(const char *a, const char *b, const char *name)
{
    bool both;

    if (!glob_right(a) || !glob_right(b))
        return;
    require(glob_overlap(a, b) == glob_overlap(b, a));
    require(glob_overlap(a, a));
    if (!keyname_valid(name))
        return;
    both = glob_match(a, name) && glob_match(b, name);
    require(!both || glob_overlap(a, b));
    if (strlen(name) <= SHORT_LEN)
        require(glob_match(a, name) == tries_match(a, name));
}

static void
check_label(const char *text)
{
    char name[KEYNAME_MAX + 1], label[KEYNAME_LABEL_MAX + 1];
    uint32_t version;

    if (!keyname_split(text, strlen(text), true, name, &version)) {
        require(!keyname_valid(text));
        return;
    }
    require(keyname_valid(name) && version <= KEYNAME_VERSION_MAX);
    require((version == 0) == !strchr(text, '@'));
    keyname_label(name, version, label);
    require(strcmp(version > 0 ? label : name, text) == 0);
}

static void
check_certnames(const char *pattern, const char *name)
{
    struct fault why = FAULT_INIT;

    if (certname_pattern_check(pattern, &why) != KS_OK) {
        require(why.text[0] != '\0');
        return;
    }
    for (int kind = CERTNAME_DNS; kind <= CERTNAME_URI; kind++) {
        if (certname_check((enum certname_kind)kind, name, &why) != KS_OK)
            continue;
        require(strlen(name) <= CERTNAME_MAX_LEN);
        for (const char *c = name; *c != '\0'; c++)
            require(*c > ' ' && *c < 0x7f);
        /* A wildcard name is let in by its own pattern only. */
        if (kind == CERTNAME_DNS && name[0] == '*' && pattern[0] != '*')
            require(!certname_match(pattern, CERTNAME_DNS, name));
        else
            (void)certname_match(pattern, (enum certname_kind)kind, name);
    }
    (void)certname_kind_of_common_name(name);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char text[MAX_LEN + 1], *rest = text;
    const char *a, *b, *name;

    if (size > MAX_LEN)
        return 0;
    if (size > 0)
        memcpy(text, data, size);
    text[size] = '\0';
    a = strsep(&rest, "\n");
    b = rest ? strsep(&rest, "\n") : "";
    name = rest ? rest : "";
    check_globs(a, b, name);
    check_label(a);
    check_certnames(a, name);
    return 0;
}
