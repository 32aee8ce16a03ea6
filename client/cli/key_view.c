/* SPDX-License-Identifier: Apache-2.0 */
/*
 * key_view - keys as rows, as lines and as JSON
 */
#include "client/cli/key_view.h"

#include <stdio.h>

#include "client/cli/pem.h"

#define SHA256_TEXT (2 * KS_SHA256_LEN + 1)
#define SHA256_SHORT 16 /* hex digits in a list: enough to tell keys apart */

void
key_view_heading(struct table *table)
{
    static const char *const HEADING[KEY_VIEW_COLUMNS] = {"KEY",   "TYPE",  "PURPOSE",
                                                          "TOKEN", "CLASS", "PUBLIC KEY SHA-256"};

    for (size_t i = 0; i < KEY_VIEW_COLUMNS; i++)
        table_add(table, "%s", HEADING[i]);
}

static const char *
type_of(const struct ks_key *key)
{
    return key->type == KS_KEY_TYPE_ANY ? "unknown" : ks_key_type_name(key->type);
}

/* "main"; of a group's key all that show it: "east,west" */
static char *
tokens_text(const struct ks_key *key)
{
    char *text = NULL;
    size_t len;
    FILE *out = open_memstream(&text, &len);

    if (!out)
        return NULL;
    for (size_t i = 0; i < key->n_tokens; i++)
        fprintf(out, "%s%s", i > 0 ? "," : "", key->tokens[i]);
    if (key->n_tokens == 0)
        fputs(key->token, out);
    fclose(out);
    return text;
}

/* Why it is not used: the label alone says it of one token. */
static const char *
ambiguity(const struct ks_key *key)
{
    return key->n_tokens > 1 ? "these tokens do not show one and the same key: none is used"
                             : "two private keys carry this label: neither is used";
}

void
key_view_row(struct table *table, const struct ks_key *key)
{
    ks_auto(freep) char *tokens = tokens_text(key);
    char sha256[SHA256_TEXT];

    output_hex(key->public_key_sha256, KS_SHA256_LEN, sha256);
    table_add(table, "%s@%u", key->name, key->version);
    table_add(table, "%s", type_of(key));
    table_add(table, "%s", ks_purpose_name(key->purpose));
    table_add(table, "%s", tokens ? tokens : key->token);
    table_add(table, "%s", key->class_glob[0] ? key->class_glob : "-");
    if (key->ambiguous)
        table_add(table, key->n_tokens > 1 ? "different keys" : "two keys with this label");
    else
        table_add(table, "%.*s", SHA256_SHORT, sha256);
}

json_t *
key_view_json(const struct ks_key *key)
{
    char sha256[SHA256_TEXT];
    json_t *versions = key->n_versions > 0 ? json_array() : NULL; /* a list does not tell them */
    json_t *tokens = key->n_tokens > 0 ? json_array() : NULL;     /* not on a group */
    char *public_key = key->public_key_len > 0
                           ? pem_text("PUBLIC KEY", key->public_key, key->public_key_len)
                           : NULL;
    json_t *object;

    output_hex(key->public_key_sha256, KS_SHA256_LEN, sha256);
    for (size_t i = 0; i < key->n_versions; i++)
        json_array_append_new(versions, json_integer(key->versions[i]));
    for (size_t i = 0; i < key->n_tokens; i++)
        json_array_append_new(tokens, json_string(key->tokens[i]));
    object = json_pack("{s:s, s:I, s:s, s:s, s:s, s:s, s:s, s:b, s:o*, s:o*, s:s*}", "name",
                       key->name, "version", (json_int_t)key->version, "type", type_of(key),
                       "purpose", ks_purpose_name(key->purpose), "token", key->token, "class",
                       key->class_glob, "public_key_sha256", sha256, "ambiguous", key->ambiguous,
                       "tokens", tokens, "versions", versions, "public_key", public_key);
    free(public_key);
    return object;
}

static void
add_pair(struct table *table, const char *name, const char *value)
{
    table_add(table, "%s", name);
    table_add(table, "%s", value);
}

static char *
versions_text(const struct ks_key *key)
{
    char *text = NULL;
    size_t len;
    FILE *out = open_memstream(&text, &len);

    for (size_t i = 0; out && i < key->n_versions; i++)
        fprintf(out, "%s%u", i > 0 ? " " : "", key->versions[i]);
    if (out)
        fclose(out);
    return text;
}

static void
add_key(struct table *table, const struct ks_key *key)
{
    ks_auto(freep) char *tokens = tokens_text(key);
    ks_auto(freep) char *versions = versions_text(key);
    char sha256[SHA256_TEXT];

    output_hex(key->public_key_sha256, KS_SHA256_LEN, sha256);
    table_add(table, "key");
    table_add(table, "%s@%u", key->name, key->version);
    add_pair(table, "type", type_of(key));
    add_pair(table, "purpose", ks_purpose_name(key->purpose));
    add_pair(table, key->n_tokens > 1 ? "tokens" : "token", tokens ? tokens : key->token);
    add_pair(table, "class", key->class_glob[0] ? key->class_glob : "none: nobody can use it");
    add_pair(table, "public key SHA-256", key->ambiguous ? ambiguity(key) : sha256);
    if (key->n_versions > 0)
        add_pair(table, "versions", versions ? versions : "");
}

static int
output_table(struct cli *cli, struct table *table)
{
    ks_auto(freep) char *text = table_text(table);

    if (!text)
        return output_fail(cli, KS_ERR_INTERNAL, "no memory for the result");
    return output_text(cli, text);
}

int
key_view_result(struct cli *cli, const struct ks_key *key)
{
    ks_auto(table_deinit) struct table table = TABLE_INIT(2);

    if (cli->json)
        return output_json(cli, key_view_json(key));
    add_key(&table, key);
    return output_table(cli, &table);
}

static json_t *
imported_json(const struct ks_imported *imported)
{
    json_t *object = key_view_json(&imported->key);
    json_t *certificates = json_array();

    for (size_t i = 0; i < imported->n_certificates; i++) {
        const struct ks_blob *der = &imported->certificates[i];
        ks_auto(freep) char *pem = pem_text("CERTIFICATE", der->data, der->len);

        json_array_append_new(certificates, json_string(pem));
    }
    if (json_object_set_new(object, "alias", json_string(imported->alias)) == 0 &&
        json_object_set_new(object, "certificates", certificates) == 0 &&
        json_array_size(certificates) == imported->n_certificates)
        return object;
    json_decref(object);
    return NULL;
}

int
key_view_imported(struct cli *cli, const struct ks_imported *imported)
{
    ks_auto(table_deinit) struct table table = TABLE_INIT(2);

    if (cli->json)
        return output_json(cli, imported_json(imported));
    add_key(&table, &imported->key);
    if (imported->alias[0])
        add_pair(&table, "name in the file", imported->alias);
    table_add(&table, "certificates");
    table_add(&table, "%zu", imported->n_certificates);
    return output_table(cli, &table);
}
