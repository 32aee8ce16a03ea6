/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz_option - the provider's options, and the texts of the command line that become lists of names
 *
 * The bytes are one text to each. A time is within its bounds and the same when it is said in
 * milliseconds; names are those of the text, in its order.
 */
#include <stdio.h>

#include "client/cli/altname.h"
#include "client/lib/keysvc.h"
#include "client/provider/options.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
require(bool truth)
{
    if (!truth)
        abort();
}

static void
check_time(const char *text)
{
    struct options options;
    uint32_t ms = 0, again = 0;
    char plain[32];
    bool right = options_parse_time(text, &ms);

    options_parse(NULL, text, NULL, &options);
    require(right == (options.trouble[0] == '\0'));
    require(options.timeout_ms == (right ? ms : OPTIONS_TIMEOUT_DEFAULT_MS));
    if (!right)
        return;
    require(ms >= 1 && ms <= KS_TIMEOUT_MAX_MS);
    snprintf(plain, sizeof(plain), "%ums", ms);
    require(options_parse_time(plain, &again) && again == ms);
}

static void
check_others(const char *text)
{
    struct options options;

    options_parse(text, NULL, NULL, &options);
    require((options.trouble[0] == '\0') == (text[0] == '/'));
    options_parse(NULL, NULL, text, &options);
    require((options.trouble[0] == '\0') == options.errors_to_stderr);
    require(options.errors_to_stderr == (strcmp(text, "stderr") == 0));
}

static void
check_names(const char *text)
{
    ks_auto(altname_deinit) struct altname_list list = {0};
    struct fault why = FAULT_INIT;
    const char *at = text;
    ks_err err = altname_add(&list, text, &why);

    if (err) {
        require(why.text[0] != '\0');
        return;
    }
    require(list.n_names > 0 && list.n_names <= KS_MAX_ALTERNATIVE_NAMES);
    for (size_t i = 0; i < list.n_names; i++) {
        require(list.names[i].kind >= KS_NAME_DNS && list.names[i].kind <= KS_NAME_URI);
        at = strstr(at, list.names[i].value);
        require(at != NULL);
    }
    at = list.names[list.n_names - 1].value;
    require(strcmp(text + strlen(text) - strlen(at), at) == 0);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = strndup((const char *)data, size);

    require(text != NULL);
    check_time(text);
    check_others(text);
    check_names(text);
    free(text);
    return 0;
}
