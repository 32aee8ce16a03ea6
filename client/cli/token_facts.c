/* SPDX-License-Identifier: Apache-2.0 */
/*
 * token_facts - CK_TOKEN_INFO and CK_MECHANISM_INFO in words
 *
 * The numbers of the flags are PKCS#11's; this program links nothing that would name them.
 */
#include "client/cli/token_facts.h"

#include <inttypes.h>
#include <stdio.h>

#define FLAG_WRITE_PROTECTED 0x2ull
#define FLAG_USER_PIN_INITIALIZED 0x8ull
#define FLAG_ERROR_STATE 0x1000000ull
/* Of the user; those of the SO stand four bits higher. */
#define FLAG_PIN_COUNT_LOW 0x10000ull
#define FLAG_PIN_FINAL_TRY 0x20000ull
#define FLAG_PIN_LOCKED 0x40000ull
#define FLAG_PIN_TO_BE_CHANGED 0x80000ull
#define SO_SHIFT 4

#define NUMBER_TEXT 64

static const struct {
    uint64_t flag;
    const char *name;
} MECHANISM_FLAG[] = {
    {0x1, "hardware"},          {0x800, "sign"},    {0x2000, "verify"},
    {0x100, "encrypt"},         {0x200, "decrypt"}, {0x10000, "generate-key-pair"},
    {0x8000, "generate"},       {0x20000, "wrap"},  {0x40000, "unwrap"},
    {0x80000, "derive"},        {0x400, "digest"},  {0x1000, "sign-recover"},
    {0x4000, "verify-recover"},
};

void
token_facts_freep(struct ks_token_info **info)
{
    *info = ks_token_info_free(*info);
}

/* --- PINs --- */

static enum token_pin
pin_of(uint64_t flags)
{
    if (flags & FLAG_PIN_LOCKED)
        return TOKEN_PIN_LOCKED;
    if (flags & FLAG_PIN_FINAL_TRY)
        return TOKEN_PIN_FINAL_TRY;
    return flags & FLAG_PIN_COUNT_LOW ? TOKEN_PIN_LOW : TOKEN_PIN_OK;
}

enum token_pin
token_facts_user_pin(uint64_t flags)
{
    if (!(flags & FLAG_USER_PIN_INITIALIZED))
        return TOKEN_PIN_NOT_INITIALISED;
    return pin_of(flags);
}

enum token_pin
token_facts_so_pin(uint64_t flags)
{
    return pin_of(flags >> SO_SHIFT);
}

const char *
token_facts_pin_name(enum token_pin pin)
{
    static const char *const NAME[TOKEN_PIN_COUNT] = {
        [TOKEN_PIN_OK] = "ok",
        [TOKEN_PIN_LOW] = "low",
        [TOKEN_PIN_FINAL_TRY] = "final try",
        [TOKEN_PIN_LOCKED] = "locked",
        [TOKEN_PIN_NOT_INITIALISED] = "not initialised",
    };

    return NAME[pin];
}

static void
pin_text(enum token_pin pin, uint64_t flags, char *out, size_t cap)
{
    snprintf(out, cap, "%s%s", token_facts_pin_name(pin),
             flags & FLAG_PIN_TO_BE_CHANGED ? ", must be changed" : "");
}

/* --- facts --- */

void
token_facts_amount(uint64_t used, uint64_t max, char *out, size_t cap)
{
    if (used == KS_NUMBER_UNKNOWN && (max == KS_NUMBER_UNKNOWN || max == 0))
        snprintf(out, cap, "unknown");
    else if (used == KS_NUMBER_UNKNOWN)
        snprintf(out, cap, "unknown, at most %" PRIu64, max);
    else if (max == 0)
        snprintf(out, cap, "%" PRIu64 ", no limit", used);
    else if (max == KS_NUMBER_UNKNOWN)
        snprintf(out, cap, "%" PRIu64, used);
    else
        snprintf(out, cap, "%" PRIu64 " of %" PRIu64, used, max);
}

static void
memory_text(uint64_t free_bytes, uint64_t total, char *out, size_t cap)
{
    if (free_bytes == KS_NUMBER_UNKNOWN)
        snprintf(out, cap, "unknown");
    else if (total == KS_NUMBER_UNKNOWN)
        snprintf(out, cap, "%" PRIu64 " bytes", free_bytes);
    else
        snprintf(out, cap, "%" PRIu64 " of %" PRIu64 " bytes", free_bytes, total);
}

static void
add_row(struct table *table, const char *name, const char *value)
{
    table_add(table, "%s", name);
    table_add(table, "%s", value[0] ? value : "-");
}

static char *
unsupported_text(const struct ks_token_info *info)
{
    char *text = NULL;
    size_t len;
    FILE *out = open_memstream(&text, &len);

    for (size_t i = 0; out && i < info->n_unsupported; i++)
        fprintf(out, "%s%s", i > 0 ? ", " : "", info->unsupported[i]);
    if (out)
        fclose(out);
    return text;
}

void
token_facts_rows(struct table *table, const struct ks_token_info *info)
{
    ks_auto(freep) char *unsupported = unsupported_text(info);
    char text[NUMBER_TEXT];

    add_row(table, "manufacturer", info->manufacturer);
    add_row(table, "hardware", info->hardware_version);
    add_row(table, "firmware", info->firmware_version);
    pin_text(token_facts_user_pin(info->flags), info->flags, text, sizeof(text));
    add_row(table, "user PIN", text);
    pin_text(token_facts_so_pin(info->flags), info->flags >> SO_SHIFT, text, sizeof(text));
    add_row(table, "SO PIN", text);
    token_facts_amount(info->sessions, info->max_sessions, text, sizeof(text));
    add_row(table, "sessions", text);
    token_facts_amount(info->rw_sessions, info->max_rw_sessions, text, sizeof(text));
    add_row(table, "read-write sessions", text);
    memory_text(info->free_public_memory, info->total_public_memory, text, sizeof(text));
    add_row(table, "free public memory", text);
    memory_text(info->free_private_memory, info->total_private_memory, text, sizeof(text));
    add_row(table, "free private memory", text);
    if (info->flags & FLAG_WRITE_PROTECTED)
        add_row(table, "write-protected", "yes");
    if (info->flags & FLAG_ERROR_STATE)
        add_row(table, "error state", "yes: it failed its own test");
    add_row(table, "cannot do", unsupported ? unsupported : "");
}

/* --- mechanisms --- */

static char *
uses_text(uint64_t flags)
{
    char *text = NULL;
    size_t len;
    FILE *out = open_memstream(&text, &len);
    const char *gap = "";

    for (size_t i = 0; out && i < ARRAY_LEN(MECHANISM_FLAG); i++) {
        if (!(flags & MECHANISM_FLAG[i].flag))
            continue;
        fprintf(out, "%s%s", gap, MECHANISM_FLAG[i].name);
        gap = " ";
    }
    if (out)
        fclose(out);
    return text;
}

static void
add_size(struct table *table, uint64_t size)
{
    if (size == KS_NUMBER_UNKNOWN || size == 0)
        table_add(table, "-");
    else
        table_add(table, "%" PRIu64, size);
}

void
token_facts_mechanisms(struct table *table, const struct ks_token_info *info)
{
    static const char *const HEADING[TOKEN_FACTS_MECHANISM_COLUMNS] = {"MECHANISM", "MIN", "MAX",
                                                                       "DOES"};

    for (size_t i = 0; i < ARRAY_LEN(HEADING); i++)
        table_add(table, "%s", HEADING[i]);
    for (size_t i = 0; i < info->n_mechanisms; i++) {
        const struct ks_mechanism *mechanism = &info->mechanisms[i];
        ks_auto(freep) char *uses = uses_text(mechanism->flags);

        table_add(table, "%s", mechanism->name);
        add_size(table, mechanism->min_size);
        add_size(table, mechanism->max_size);
        table_add(table, "%s", uses && uses[0] ? uses : "-");
    }
}

/* --- JSON --- */

/* JSON's integers are signed here; larger ones do not come from tokens. */
static json_t *
number(uint64_t value)
{
    return value > INT64_MAX ? json_null() : json_integer((json_int_t)value);
}

static json_t *
json_mechanism(const struct ks_mechanism *mechanism)
{
    json_t *uses = json_array();

    for (size_t i = 0; i < ARRAY_LEN(MECHANISM_FLAG); i++) {
        if (mechanism->flags & MECHANISM_FLAG[i].flag)
            json_array_append_new(uses, json_string(MECHANISM_FLAG[i].name));
    }
    return json_pack("{s:s, s:o, s:o, s:o, s:o, s:o}", "name", mechanism->name, "type",
                     number(mechanism->type), "min_size", number(mechanism->min_size), "max_size",
                     number(mechanism->max_size), "flags", number(mechanism->flags), "does", uses);
}

static json_t *
json_pair(const char *used_name, uint64_t used, uint64_t max, const char *max_name)
{
    return json_pack("{s:o, s:o}", used_name, number(used), max_name, number(max));
}

json_t *
token_facts_json(const struct ks_token_info *info)
{
    json_t *mechanisms = json_array(), *unsupported = json_array();

    for (size_t i = 0; i < info->n_mechanisms; i++)
        json_array_append_new(mechanisms, json_mechanism(&info->mechanisms[i]));
    for (size_t i = 0; i < info->n_unsupported; i++)
        json_array_append_new(unsupported, json_string(info->unsupported[i]));
    return json_pack(
        "{s:s, s:s, s:s, s:s, s:s, s:s, s:o, s:s, s:s, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "label",
        info->label, "manufacturer", info->manufacturer, "model", info->model, "serial",
        info->serial, "hardware_version", info->hardware_version, "firmware_version",
        info->firmware_version, "flags", number(info->flags), "user_pin",
        token_facts_pin_name(token_facts_user_pin(info->flags)), "so_pin",
        token_facts_pin_name(token_facts_so_pin(info->flags)), "sessions",
        json_pair("open", info->sessions, info->max_sessions, "max"), "rw_sessions",
        json_pair("open", info->rw_sessions, info->max_rw_sessions, "max"), "pin_length",
        json_pair("min", info->min_pin_len, info->max_pin_len, "max"), "public_memory",
        json_pair("free", info->free_public_memory, info->total_public_memory, "total"),
        "private_memory",
        json_pair("free", info->free_private_memory, info->total_private_memory, "total"),
        "mechanisms", mechanisms, "unsupported", unsupported);
}
