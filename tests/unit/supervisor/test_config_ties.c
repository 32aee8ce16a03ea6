/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_config_ties - random classes: a file is refused exactly where two of them would tie for a name
 *
 * Whether two globs match one text is found by trying every short text. A failure prints its seed;
 * KEYSVC_TEST_SEED=N runs the same files again.
 */
#include <criterion/criterion.h>

#include <inttypes.h>
#include <stdio.h>
#include <sys/random.h>

#include "base/log.h"

#include "conf_dir.h"

#define N_FILES 400
#define MAX_TEXT                                                                                   \
    7 /* two globs of MAX_PARTS characters and stars match one of that length, or none */
#define MAX_PARTS 4

TestSuite(config_ties, .init = conf_dir_setup, .fini = conf_dir_teardown);

static bool
matches(const char *glob, const char *text)
{
    bool crosses = glob[0] == '*' && glob[1] == '*';

    if (glob[0] != '*')
        return glob[0] == text[0] && (glob[0] == '\0' || matches(glob + 1, text + 1));
    for (;; text++) {
        if (matches(glob + 1 + crosses, text))
            return true;
        if (text[0] == '\0' || (text[0] == '/' && !crosses))
            return false;
    }
}

/* Is there a text that begins like this which both match? */
static bool
share(const char *a, const char *b, char *text, size_t len)
{
    static const char letters[] = "ab/";

    text[len] = '\0';
    if (matches(a, text) && matches(b, text))
        return true;
    for (size_t i = 0; len < MAX_TEXT && i < strlen(letters); i++) {
        text[len] = letters[i];
        if (share(a, b, text, len + 1))
            return true;
    }
    return false;
}

static bool
tie(const char *a, const char *b)
{
    char text[MAX_TEXT + 1];

    return strcspn(a, "*") == strcspn(b, "*") && share(a, b, text, 0);
}

static uint64_t state; /* splitmix64 */

static uint32_t
below(uint32_t n)
{
    uint64_t z = (state += 0x9e3779b97f4a7c15u);

    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return (uint32_t)((z ^ (z >> 31)) % n);
}

static void
random_glob(char out[static GLOB_MAX_LEN + 1])
{
    static const char *const PARTS[] = {"a", "b", "/", "*", "**"};
    struct fault why = FAULT_INIT;

    do {
        out[0] = '\0';
        for (uint32_t n = 1 + below(MAX_PARTS); n > 0; n--)
            strcat(out, PARTS[below(ARRAY_LEN(PARTS))]);
    } while (glob_check(out, &why) != KS_OK);
}

static uint64_t
seed(void)
{
    const char *given = getenv("KEYSVC_TEST_SEED");
    uint64_t chance;

    if (given)
        return strtoull(given, NULL, 10);
    cr_assert_eq(getrandom(&chance, sizeof(chance), 0), sizeof(chance));
    return chance;
}

Test(config_ties, are_refused_and_nothing_else_is)
{
    uint64_t start = state = seed();
    unsigned int n_ties = 0;

    log_init("test", (enum log_level)0); /* hundreds of files are refused */
    for (unsigned int i = 0; i < N_FILES; i++) {
        char a[GLOB_MAX_LEN + 1], b[GLOB_MAX_LEN + 1], text[1024];
        struct config *config = NULL;
        struct fault why = FAULT_INIT;
        ks_err wanted, err;

        random_glob(a);
        random_glob(b);
        if (strcmp(a, b) == 0) /* a title twice is refused for that */
            continue;
        snprintf(text, sizeof(text),
                 "daemon { }\ntoken main { profile = plain label = a pin-file = /p }\n"
                 "keys \"%s\" { token = main }\nkeys \"%s\" { token = main }\n",
                 a, b);
        wanted = tie(a, b) ? KS_ERR_BAD_REQUEST : KS_OK;
        err = conf_dir_load(text, &config, &why);
        cr_assert_eq(err, wanted, "\"%s\" and \"%s\": %s; again with KEYSVC_TEST_SEED=%" PRIu64, a,
                     b, err ? why.text : "taken", start);
        n_ties += err != KS_OK;
        config_free(config);
    }
    cr_assert_gt(n_ties, N_FILES / 50, "seed %" PRIu64, start);
    cr_assert_lt(n_ties, N_FILES / 2, "seed %" PRIu64, start);
}
