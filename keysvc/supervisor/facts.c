/* SPDX-License-Identifier: Apache-2.0 */
/*
 * facts - printing them
 */
#include "supervisor/facts.h"

#include "base/hex.h"

static void
print_text(FILE *out, const char *section, const char *name, const char *option, const char *value)
{
    if (value[0] != '\0')
        fprintf(out, "fact %s %s %s %s\n", section, name, option, value);
}

static void
print_id(FILE *out, const char *name, const char *option, uint32_t id)
{
    if (id == CONFIG_NO_ID)
        fprintf(out, "fact token %s %s -\n", name, option);
    else
        fprintf(out, "fact token %s %s %u\n", name, option, id);
}

static void
print_token(FILE *out, const struct config_token *token)
{
    print_text(out, "token", token->name, "profile", token->profile.name);
    print_text(out, "token", token->name, "module", token->profile.module);
    print_text(out, "token", token->name, "pin-file", token->pin_file);
    print_text(out, "token", token->name, "store", token->store);
    print_id(out, token->name, "uid", token->uid);
    print_id(out, token->name, "gid", token->gid);
    for (size_t i = 0; i < token->profile.groups.n_items; i++)
        print_text(out, "token", token->name, "group", token->profile.groups.items[i]);
    for (size_t i = 0; i < token->profile.environment.n_items; i++)
        print_text(out, "token", token->name, "environment", token->profile.environment.items[i]);
}

void
facts_print(FILE *out, const struct config *config)
{
    char sha256[2 * KS_SHA256_LEN + 1];

    hex_text(sha256, config->hash, KS_SHA256_LEN);
    print_text(out, "daemon", "-", "sha256", sha256);
    print_text(out, "daemon", "-", "socket", config->socket);
    print_text(out, "daemon", "-", "audit-dir", config->audit_dir);
    print_text(out, "daemon", "-", "state-dir", config->state_dir);
    for (size_t i = 0; i < config->n_tokens; i++)
        print_token(out, &config->tokens[i]);
    for (size_t i = 0; i < config->n_keys; i++)
        print_text(out, "key", config->keys[i].name, "uri", config->keys[i].uri);
}
