/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz_altname - the text of --alternative-names; the console brings it over REST
 *
 * What is taken reads back from its own text as the same names.
 */
#include "client/agent/certificate/altname.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
expect(bool holds)
{
    if (!holds)
        abort();
}

static bool
same(const struct altname_list *list, const struct altname_list *other)
{
    for (size_t i = 0; i < list->n_names; i++) {
        if (!altname_contains(other, &list->names[i]))
            return false;
    }
    return list->n_names == other->n_names;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    ks_auto(altname_deinit) struct altname_list list = {0};
    ks_auto(altname_deinit) struct altname_list again = {0};
    ks_auto(freep) char *text = strndup((const char *)data, size);
    size_t cap = 8 * size + 64; /* a word, a comma and a space for each, addresses in full */
    ks_auto(freep) char *written = malloc(cap);
    struct fault why = FAULT_INIT;

    expect(text && written);
    if (altname_parse(&list, text, &why) != KS_OK) {
        expect(why.text[0]);
        return 0;
    }
    expect(list.n_names > 0);
    altname_text(&list, written, cap);
    expect(altname_parse(&again, written, &why) == KS_OK && same(&list, &again));
    return 0;
}
