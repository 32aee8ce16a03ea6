/* SPDX-License-Identifier: Apache-2.0 */
/*
 * glob - patterns over key names
 *
 * A match walks the glob once and keeps, for each prefix of the name, whether the glob so far
 * matches it: glob bytes times name bytes at most, whatever the stars are. Trying star by star
 * instead would let a rule and a name chosen against each other cost exponential time.
 */
#include "base/glob.h"

#include "base/keyname.h"

enum star {
    STAR_NONE = 0,
    STAR_ONE = 1, /* inside a component */
    STAR_TWO = 2, /* across slashes */
};

static bool is_glob_char(char c);
static enum star star_at(const char *glob);

ks_err
glob_check(const char *glob, struct fault *why)
{
    size_t n_stars = 0;

    if (glob[0] == '\0') {
        fault_set(why, "the pattern is empty");
        return KS_ERR_BAD_REQUEST;
    }
    if (strnlen(glob, GLOB_MAX_LEN + 1) > GLOB_MAX_LEN) {
        fault_set(why, "the pattern is longer than %d bytes", GLOB_MAX_LEN);
        return KS_ERR_BAD_REQUEST;
    }
    for (const char *at = glob; *at != '\0';) {
        size_t run = strspn(at, "*");

        if (run > 2) {
            fault_set(why, "more than two stars in a row in \"%s\"", glob);
            return KS_ERR_BAD_REQUEST;
        }
        if (run == 0 && !is_glob_char(*at)) {
            fault_set(why, "a character that no key name has in \"%s\"", glob);
            return KS_ERR_BAD_REQUEST;
        }
        n_stars += run > 0;
        at += run > 0 ? run : 1;
    }
    if (n_stars > GLOB_MAX_STARS) {
        fault_set(why, "more than %d stars in \"%s\"", GLOB_MAX_STARS, glob);
        return KS_ERR_BAD_REQUEST;
    }
    if (glob[0] == '/' || glob[strlen(glob) - 1] == '/' || strstr(glob, "//")) {
        fault_set(why, "\"%s\" matches no key name: a component is empty", glob);
        return KS_ERR_BAD_REQUEST;
    }
    return KS_OK;
}

static bool
is_glob_char(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
           c == '_' || c == '-' || c == '/';
}

static enum star
star_at(const char *glob)
{
    if (glob[0] != '*')
        return STAR_NONE;
    return glob[1] == '*' ? STAR_TWO : STAR_ONE;
}

/* matched[i]: the glob up to here matches the first i bytes of the name. One step of the glob, in
 * place. False: nothing is matched any more. */
static bool
match_step(enum star star, char literal, const char *name, size_t len, bool *matched)
{
    bool any = false;

    if (star != STAR_NONE) {
        for (size_t i = 0; i <= len; i++) {
            if (i > 0 && matched[i - 1] && (star == STAR_TWO || name[i - 1] != '/'))
                matched[i] = true;
            any = any || matched[i];
        }
        return any;
    }
    for (size_t i = len; i > 0; i--) {
        matched[i] = matched[i - 1] && name[i - 1] == literal;
        any = any || matched[i];
    }
    matched[0] = false;
    return any;
}

bool
glob_match(const char *glob, const char *name)
{
    size_t literal_len = glob_literal_len(glob);
    bool matched[KEYNAME_MAX + 1] = {true};
    size_t len;

    /* Most globs and names part in their literal beginning. */
    if (strncmp(glob, name, literal_len) != 0)
        return false;
    glob += literal_len;
    name += literal_len;
    len = strnlen(name, KEYNAME_MAX + 1);
    if (len > KEYNAME_MAX)
        return false;
    while (*glob != '\0') {
        enum star star = star_at(glob);

        if (!match_step(star, *glob, name, len, matched))
            return false;
        glob += star == STAR_NONE ? 1 : (size_t)star;
    }
    return matched[len];
}

size_t
glob_literal_len(const char *glob)
{
    return strcspn(glob, "*");
}

/* A glob as one number an element: a character, or a star. */
static size_t
elements_of(const char *glob, int elements[static GLOB_MAX_LEN])
{
    size_t n = 0;

    while (*glob != '\0' && n < GLOB_MAX_LEN) {
        enum star star = star_at(glob);

        elements[n++] = star == STAR_NONE ? (unsigned char)*glob : -(int)star;
        glob += star == STAR_NONE ? 1 : (size_t)star;
    }
    return n;
}

static bool
takes(int star, int character)
{
    return star == -STAR_TWO || (star == -STAR_ONE && character > 0 && character != '/');
}

/* common[i][j]: the rest of a from i and the rest of b from j match some text together. */
bool
glob_overlap(const char *a, const char *b)
{
    bool common[GLOB_MAX_LEN + 1][GLOB_MAX_LEN + 1] = {{false}};
    int left[GLOB_MAX_LEN], right[GLOB_MAX_LEN];
    size_t n_left = elements_of(a, left), n_right = elements_of(b, right);

    for (size_t i = n_left + 1; i-- > 0;) {
        for (size_t j = n_right + 1; j-- > 0;) {
            int x = i < n_left ? left[i] : 0, y = j < n_right ? right[j] : 0;

            if (x == 0 && y == 0)
                common[i][j] = true;
            else if (x > 0 && x == y)
                common[i][j] = common[i + 1][j + 1];
            /* A star ends here, or takes what stands on the other side. */
            if (x < 0)
                common[i][j] |= common[i + 1][j] || (y > 0 && takes(x, y) && common[i][j + 1]);
            if (y < 0)
                common[i][j] |= common[i][j + 1] || (x > 0 && takes(y, x) && common[i + 1][j]);
        }
    }
    return common[0][0];
}
