/* SPDX-License-Identifier: Apache-2.0 */
#include <criterion/criterion.h>

#include "ipc/config.h"

static struct config *
some_config(void)
{
    struct config *config = calloc(1, sizeof(*config));
    struct config_rule *rule;

    config->generation = 4;
    text_copy(config->socket, sizeof(config->socket), "/run/keysvc/keysvc.sock");
    config->limits.max_queue = 99;
    config->tokens = calloc(1, sizeof(*config->tokens));
    config->n_tokens = 1;
    text_copy(config->tokens[0].name, sizeof(config->tokens[0].name), "main");
    cr_assert_eq(
        strv_add(&config->tokens[0].profile.environment, "SOFTHSM2_CONF=/etc/softhsm2.conf"),
        KS_OK);
    text_copy(config->tokens[0].store, sizeof(config->tokens[0].store), "/var/tokens");
    config->tokens[0].profile.lacks = CONFIG_LACKS_IMPORT | CONFIG_LACKS_CERTIFICATES;
    cr_assert_eq(strv_add(&config->tokens[0].profile.copies, "*/token.object"), KS_OK);
    config->groups = calloc(1, sizeof(*config->groups));
    config->n_groups = 1;
    text_copy(config->groups[0].name, sizeof(config->groups[0].name), "both");
    cr_assert_eq(strv_add(&config->groups[0].tokens, "west"), KS_OK);
    cr_assert_eq(strv_add(&config->groups[0].tokens, "main"), KS_OK);
    config->tokens[0].profile.sandbox = CONFIG_SANDBOX_OFF;
    config->tokens[0].profile.sockets = CONFIG_SOCKETS_INET;
    cr_assert_eq(strv_add(&config->tokens[0].profile.system_calls, "shmget"), KS_OK);
    cr_assert_eq(strv_add(&config->tokens[0].profile.read, "/etc/m"), KS_OK);
    cr_assert_eq(strv_add(&config->tokens[0].profile.write, "/run/m"), KS_OK);
    config->keys = calloc(1, sizeof(*config->keys));
    config->n_keys = 1;
    text_copy(config->keys[0].name, sizeof(config->keys[0].name), "web/old");
    text_copy(config->keys[0].uri, sizeof(config->keys[0].uri), "pkcs11:object=old");
    config->classes = calloc(3, sizeof(*config->classes));
    config->n_classes = 3;
    text_copy(config->classes[0].glob, sizeof(config->classes[0].glob), "**");
    text_copy(config->classes[1].glob, sizeof(config->classes[1].glob), "web/**");
    text_copy(config->classes[2].glob, sizeof(config->classes[2].glob), "web/shop*");
    config->classes[2].purpose = KS_PURPOSE_SIGN;
    config->classes[2].type = KS_KEY_TYPE_EC_P256;
    config->classes[2].import_types =
        CONFIG_TYPE_BIT(KS_KEY_TYPE_RSA_2048) | CONFIG_TYPE_BIT(KS_KEY_TYPE_ED25519);
    cr_assert_eq(strv_add(&config->classes[2].names, ".shop.example"), KS_OK);
    config->rules = calloc(1, sizeof(*config->rules));
    config->n_rules = 1;
    rule = &config->rules[0];
    rule->uids = calloc(2, sizeof(uint32_t));
    rule->n_uids = 2;
    rule->uids[1] = 33;
    rule->operations = OPERATION_GET | OPERATION_SIGN;
    cr_assert_eq(strv_add(&rule->keys, "web/**"), KS_OK);
    return config;
}

Test(config, reads_back_as_it_was_written)
{
    ks_auto(config_freep) struct config *config = some_config();
    ks_auto(config_freep) struct config *out = NULL;
    ks_auto(buf_deinit) struct buf packed = BUF_INIT;

    config_pack(&packed, config);
    cr_assert_eq(config_unpack(packed.data, packed.len, &out), KS_OK);
    cr_assert_eq(out->generation, 4);
    cr_assert_eq(out->limits.max_queue, 99);
    cr_assert_str_eq(out->tokens[0].profile.environment.items[0],
                     "SOFTHSM2_CONF=/etc/softhsm2.conf");
    cr_assert_str_eq(out->classes[2].names.items[0], ".shop.example");
    cr_assert_eq(out->classes[2].import_types, config->classes[2].import_types);
    cr_assert_eq(out->rules[0].uids[1], 33);
    cr_assert_eq(out->rules[0].operations, OPERATION_GET | OPERATION_SIGN);
    cr_assert_eq(config_token_find(out, "main"), &out->tokens[0]);
    cr_assert_null(config_token_find(out, "other"));
    cr_assert_str_eq(out->tokens[0].store, "/var/tokens");
    cr_assert_eq(out->tokens[0].profile.lacks, CONFIG_LACKS_IMPORT | CONFIG_LACKS_CERTIFICATES);
    cr_assert_str_eq(out->tokens[0].profile.copies.items[0], "*/token.object");
    cr_assert_eq(out->tokens[0].profile.sandbox, CONFIG_SANDBOX_OFF);
    cr_assert_eq(out->tokens[0].profile.sockets, CONFIG_SOCKETS_INET);
    cr_assert_str_eq(out->tokens[0].profile.system_calls.items[0], "shmget");
    cr_assert_str_eq(out->tokens[0].profile.read.items[0], "/etc/m");
    cr_assert_str_eq(out->tokens[0].profile.write.items[0], "/run/m");
    cr_assert_str_eq(config_key_find(out, "web/old")->uri, "pkcs11:object=old");
    cr_assert_null(config_key_find(out, "web/new"));
    cr_assert_str_eq(config_group_find(out, "both")->tokens.items[1], "main");
}

Test(config, a_group_means_its_tokens_in_their_order_and_a_token_itself)
{
    ks_auto(config_freep) struct config *config = some_config();

    cr_assert_str_eq(config_member(config, "both", 0), "west");
    cr_assert_str_eq(config_member(config, "both", 1), "main");
    cr_assert_null(config_member(config, "both", 2));
    cr_assert_str_eq(config_member(config, "main", 0), "main");
    cr_assert_null(config_member(config, "main", 1));
    cr_assert(config_is_member(config, "both", "west"));
    cr_assert(config_is_member(config, "main", "main"));
    cr_assert_not(config_is_member(config, "both", "other"));
    cr_assert_not(config_is_member(config, "main", "west"));
    cr_assert_eq(config_group_of(config, "main"), &config->groups[0]);
    cr_assert_null(config_group_of(config, "other"));
}

Test(config, every_cut_is_refused_and_frees_what_was_read)
{
    ks_auto(config_freep) struct config *config = some_config();
    ks_auto(buf_deinit) struct buf packed = BUF_INIT;

    config_pack(&packed, config);
    for (size_t len = 0; len < packed.len; len++) {
        struct config *out = NULL;

        cr_assert_eq(config_unpack(packed.data, len, &out), KS_ERR_BAD_REQUEST, "cut at %zu", len);
        cr_assert_null(out);
    }
}

Test(config, a_count_out_of_bounds_allocates_nothing)
{
    ks_auto(config_freep) struct config *config = some_config();
    ks_auto(buf_deinit) struct buf packed = BUF_INIT;
    struct config *out = NULL;

    config->n_groups = config->n_classes = config->n_rules = config->n_keys = 0;
    config->tokens->profile.environment.n_items = 0;
    config_pack(&packed, config);
    config->n_classes = 3;
    config->n_groups = config->n_rules = config->n_keys = 1;
    config->tokens->profile.environment.n_items = 1;
    memset(packed.data + packed.len - 4, 0xff, 4);
    cr_assert_eq(config_unpack(packed.data, packed.len, &out), KS_ERR_BAD_REQUEST);
}

Test(config, the_longest_literal_prefix_names_the_class)
{
    ks_auto(config_freep) struct config *config = some_config();

    cr_assert_str_eq(config_class_of(config, "web/shop1")->glob, "web/shop*");
    cr_assert_str_eq(config_class_of(config, "web/mail")->glob, "web/**");
    cr_assert_str_eq(config_class_of(config, "mail")->glob, "**");
    config->classes[0].glob[0] = 'x';
    cr_assert_null(config_class_of(config, "mail"));
}

Test(config, each_operation_has_a_name_and_all_leaves_administer_out)
{
    for (uint32_t bit = OPERATION_GET; bit <= OPERATION_ADMINISTER; bit <<= 1)
        cr_assert_eq(config_operation_from_name(config_operation_name(bit)), bit);
    cr_assert_null(config_operation_name(OPERATION_GET | OPERATION_SIGN));
    cr_assert_eq(config_operation_from_name("issue"), 0);
    cr_assert_eq(config_operation_from_name("all") & OPERATION_ADMINISTER, 0);
}

Test(config, each_lack_has_a_name_that_finds_it_and_no_two_share_one_but_ed25519)
{
    for (unsigned int i = 0; i < CONFIG_LACKS_BITS; i++) {
        const char *name = config_lack_name(1ull << i);

        if (name)
            cr_assert(config_lack_from_name(name) & (1ull << i), "%s", name);
    }
    cr_assert_eq(config_lack_from_name("rsa-4096"), CONFIG_LACKS_TYPE(KS_KEY_TYPE_RSA_4096));
    cr_assert_eq(config_lack_from_name("rsa-pss-sha512"),
                 CONFIG_LACKS_ALGORITHM(KS_ALGORITHM_RSA_PSS_SHA512));
    cr_assert_eq(config_lack_from_name("import"), CONFIG_LACKS_IMPORT);
    cr_assert_eq(config_lack_from_name("certificates"), CONFIG_LACKS_CERTIFICATES);
    cr_assert_eq(config_lack_from_name("ed25519"),
                 CONFIG_LACKS_TYPE(KS_KEY_TYPE_ED25519) |
                     CONFIG_LACKS_ALGORITHM(KS_ALGORITHM_ED25519));
    cr_assert_eq(config_lack_from_name("any"), 0);
    cr_assert_eq(config_lack_from_name("default"), 0);
    cr_assert_eq(config_lack_from_name(""), 0);
    cr_assert_null(config_lack_name(CONFIG_LACKS_IMPORT | CONFIG_LACKS_CERTIFICATES));
    cr_assert_null(config_lack_name(0));
}

Test(config, the_services_own_keys_are_in_no_class_whatever_matches_them)
{
    ks_auto(config_freep) struct config *config = some_config();

    cr_assert_str_eq(config_class_of(config, "mail")->glob, "**");
    cr_assert_null(config_class_of(config, KEYNAME_AUDIT));
}

Test(config, a_class_takes_from_files_what_it_lists_or_else_its_own_type)
{
    struct config_class class = {.type = KS_KEY_TYPE_EC_P384};

    cr_assert(config_class_takes(&class, KS_KEY_TYPE_EC_P384));
    cr_assert_not(config_class_takes(&class, KS_KEY_TYPE_EC_P256));
    cr_assert_not(config_class_takes(&class, KS_KEY_TYPE_ANY));
    class.import_types =
        CONFIG_TYPE_BIT(KS_KEY_TYPE_EC_P256) | CONFIG_TYPE_BIT(KS_KEY_TYPE_ED25519);
    cr_assert_not(config_class_takes(&class, KS_KEY_TYPE_EC_P384));
    cr_assert(config_class_takes(&class, KS_KEY_TYPE_EC_P256));
    cr_assert(config_class_takes(&class, KS_KEY_TYPE_ED25519));
    cr_assert_not(config_class_takes(&class, KS_KEY_TYPE_RSA_2048));
    cr_assert_not(config_class_takes(&class, KS_KEY_TYPE_ANY));
}
