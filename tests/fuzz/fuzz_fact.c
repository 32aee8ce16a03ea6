/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz_fact - what `keysvcd --check --facts` prints, as `keysvc doctor` reads it
 *
 * The bytes are lines. A fact that was read, written again as keysvcd writes one, is the same fact;
 * all of its parts but the value are words.
 */
#include <stdio.h>

#include "client/cli/doctor.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
require(bool truth)
{
    if (!truth)
        abort();
}

static void
check_word(const char *word, size_t cap)
{
    require(memchr(word, '\0', cap) && word[0] != '\0' && !strpbrk(word, " \t\n\v\f\r"));
}

static void
check_line(const char *line)
{
    struct doctor_fact fact, again;
    char text[sizeof(fact) + 16];

    if (!doctor_fact_parse(line, &fact))
        return;
    check_word(fact.section, sizeof(fact.section));
    check_word(fact.name, sizeof(fact.name));
    check_word(fact.option, sizeof(fact.option));
    require(memchr(fact.value, '\0', sizeof(fact.value)) && strstr(line, fact.value));
    snprintf(text, sizeof(text), "fact %s %s %s %s", fact.section, fact.name, fact.option,
             fact.value);
    require(doctor_fact_parse(text, &again));
    require(memcmp(&fact, &again, sizeof(fact)) == 0);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = strndup((const char *)data, size), *rest = text, *line;

    require(text != NULL);
    while ((line = strsep(&rest, "\n")))
        check_line(line);
    free(text);
    return 0;
}
