/* SPDX-License-Identifier: Apache-2.0 */
#include <criterion/criterion.h>

#include "client/cli/token_facts.h"

Test(token_facts, reads_the_state_of_both_pins)
{
    static const struct {
        uint64_t flags;
        enum token_pin user, so;
    } ROW[] = {
        {0x8, TOKEN_PIN_OK, TOKEN_PIN_OK},
        {0x0, TOKEN_PIN_NOT_INITIALISED, TOKEN_PIN_OK},
        {0x10008, TOKEN_PIN_LOW, TOKEN_PIN_OK},
        {0x30008, TOKEN_PIN_FINAL_TRY, TOKEN_PIN_OK},
        {0x70008, TOKEN_PIN_LOCKED, TOKEN_PIN_OK},
        {0x100008, TOKEN_PIN_OK, TOKEN_PIN_LOW},
        {0x200008, TOKEN_PIN_OK, TOKEN_PIN_FINAL_TRY},
        {0x400008, TOKEN_PIN_OK, TOKEN_PIN_LOCKED},
    };

    for (size_t i = 0; i < ARRAY_LEN(ROW); i++) {
        cr_expect_eq(token_facts_user_pin(ROW[i].flags), ROW[i].user, "row %zu", i);
        cr_expect_eq(token_facts_so_pin(ROW[i].flags), ROW[i].so, "row %zu", i);
    }
}

Test(token_facts, says_what_is_unknown_and_what_has_no_limit)
{
    static const struct {
        uint64_t used, max;
        const char *text;
    } ROW[] = {
        {3, 1024, "3 of 1024"},
        {3, 0, "3, no limit"},
        {3, KS_NUMBER_UNKNOWN, "3"},
        {KS_NUMBER_UNKNOWN, KS_NUMBER_UNKNOWN, "unknown"},
        {KS_NUMBER_UNKNOWN, 8, "unknown, at most 8"},
    };
    char text[64];

    for (size_t i = 0; i < ARRAY_LEN(ROW); i++) {
        token_facts_amount(ROW[i].used, ROW[i].max, text, sizeof(text));
        cr_expect_str_eq(text, ROW[i].text);
    }
}

static struct ks_mechanism mechanisms[] = {
    {.name = "CKM_ECDSA", .type = 0x1041, .min_size = 256, .max_size = 521, .flags = 0x2801},
    {.name = "CKM_SHA256", .type = 0x250, .flags = 0x400},
};
static char *unsupported[] = {(char *)(uintptr_t) "ed25519", (char *)(uintptr_t) "import"};
static const struct ks_token_info INFO = {
    .manufacturer = "Somebody",
    .flags = 0x8,
    .free_private_memory = KS_NUMBER_UNKNOWN,
    .total_private_memory = KS_NUMBER_UNKNOWN,
    .mechanisms = mechanisms,
    .n_mechanisms = 2,
    .unsupported = unsupported,
    .n_unsupported = 2,
};

Test(token_facts, a_mechanism_is_shown_with_its_sizes_and_uses)
{
    ks_auto(table_deinit) struct table table = TABLE_INIT(TOKEN_FACTS_MECHANISM_COLUMNS);
    ks_auto(freep) char *text = NULL;

    token_facts_mechanisms(&table, &INFO);
    text = table_text(&table);
    cr_assert_str_eq(text, "MECHANISM   MIN  MAX  DOES\n"
                           "CKM_ECDSA   256  521  hardware sign verify\n"
                           "CKM_SHA256  -    -    digest\n");
}

Test(token_facts, an_unknown_number_is_null_in_json)
{
    json_t *object = token_facts_json(&INFO);
    json_t *memory = json_object_get(object, "private_memory");

    cr_assert(json_is_null(json_object_get(memory, "free")));
    cr_assert_eq(json_array_size(json_object_get(object, "mechanisms")), 2);
    cr_assert_str_eq(json_string_value(json_array_get(json_object_get(object, "unsupported"), 1)),
                     "import");
    cr_assert_str_eq(json_string_value(json_object_get(object, "user_pin")), "ok");
    json_decref(object);
}
