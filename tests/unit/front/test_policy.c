/* SPDX-License-Identifier: Apache-2.0 */
#include <criterion/criterion.h>
#include <criterion/parameterized.h>
#include <stdio.h>

#include "front/policy.h"

/* A configuration by hand: tests of the file's syntax are the supervisor's. */
static struct config_class classes[3];
static struct config_rule rules[8];
static struct config_token tokens[1];
static struct config config = {
    .tokens = tokens, .n_tokens = 1, .classes = classes, .n_classes = 3, .rules = rules};

static uint32_t gids[] = {33, 500};
static struct peer www = {.uid = 33,
                          .gid = 33,
                          .user = "www-data",
                          .unit = "nginx.service",
                          .unit_proven = true,
                          .gids = gids,
                          .n_gids = 2};
static struct peer alice = {.uid = 1000, .gid = 1000, .user = "alice"};
static struct peer root = {.uid = 0, .gid = 0, .user = "root"};

static struct config_rule *
add_rule(const char *name, const char *glob, uint32_t operations)
{
    struct config_rule *rule = &rules[config.n_rules++];

    text_copy(rule->name, sizeof(rule->name), name);
    rule->operations = operations;
    if (glob)
        cr_assert_eq(strv_add(&rule->keys, glob), KS_OK);
    return rule;
}

static void
set_ids(uint32_t **ids, size_t *n_ids, uint32_t id)
{
    *ids = malloc(sizeof(**ids));
    (*ids)[0] = id;
    *n_ids = 1;
}

static void
setup(void)
{
    static const char *const globs[] = {"web/**", "agents/**", "**/own"};

    text_copy(tokens[0].name, sizeof(tokens[0].name), "main");
    for (size_t i = 0; i < ARRAY_LEN(globs); i++) {
        text_copy(classes[i].glob, sizeof(classes[i].glob), globs[i]);
        classes[i].purpose = KS_PURPOSE_TLS_SERVER;
    }
}

static void
teardown(void)
{
    for (size_t i = 0; i < config.n_rules; i++) {
        free(rules[i].uids);
        free(rules[i].gids);
        strv_deinit(&rules[i].units);
        strv_deinit(&rules[i].keys);
    }
}

TestSuite(policy, .init = setup, .fini = teardown);

static bool
allowed(const struct peer *peer, const char *key, enum config_operation operation)
{
    return policy_find(&config, peer, key, operation) != NULL;
}

Test(policy, nothing_is_allowed_by_default_to_root_neither)
{
    cr_assert_not(allowed(&root, "web/shop", OPERATION_GET));
    cr_assert_not(allowed(&root, NULL, OPERATION_ADMINISTER));
    add_rule("everybody", "web/*", OPERATION_GET);
    cr_assert(allowed(&root, "web/shop", OPERATION_GET));
    cr_assert_not(allowed(&root, "web/shop", OPERATION_SIGN));
}

Test(policy, each_option_must_match)
{
    struct config_rule *rule = add_rule("nginx", "web/**", OPERATION_GET | OPERATION_SIGN);
    struct peer other = www;

    set_ids(&rule->uids, &rule->n_uids, 33);
    set_ids(&rule->gids, &rule->n_gids, 500);
    cr_assert_eq(strv_add(&rule->units, "nginx.service"), KS_OK);
    cr_assert_eq(policy_find(&config, &www, "web/shop", OPERATION_SIGN), rule);
    cr_assert_not(allowed(&www, "web/shop", OPERATION_CSR));
    cr_assert_not(allowed(&www, "agents/x", OPERATION_SIGN));
    other.uid = 34;
    cr_assert_not(allowed(&other, "web/shop", OPERATION_SIGN));
    other = www;
    other.n_gids = 1;
    cr_assert_not(allowed(&other, "web/shop", OPERATION_SIGN));
    other = www;
    text_copy(other.unit, sizeof(other.unit), "nginx2.service");
    cr_assert_not(allowed(&other, "web/shop", OPERATION_SIGN));
    other.unit[0] = '\0';
    cr_assert_not(allowed(&other, "web/shop", OPERATION_SIGN));
}

Test(policy, values_of_one_option_are_alternatives)
{
    struct config_rule *rule = add_rule("two", "web/a", OPERATION_GET);

    cr_assert_eq(strv_add(&rule->keys, "web/b"), KS_OK);
    rule->uids = calloc(2, sizeof(*rule->uids));
    rule->uids[0] = 33;
    rule->uids[1] = 1000;
    rule->n_uids = 2;
    cr_assert(allowed(&www, "web/b", OPERATION_GET));
    cr_assert(allowed(&alice, "web/a", OPERATION_GET));
    cr_assert_not(allowed(&root, "web/a", OPERATION_GET));
    cr_assert_not(allowed(&alice, "web/c", OPERATION_GET));
}

Test(policy, the_primary_group_counts_too)
{
    struct config_rule *rule = add_rule("group", "web/**", OPERATION_GET);

    set_ids(&rule->gids, &rule->n_gids, 1000);
    cr_assert(allowed(&alice, "web/a", OPERATION_GET));
    cr_assert_not(allowed(&root, "web/a", OPERATION_GET));
}

Test(policy, of_two_rules_the_first_is_charged)
{
    struct config_rule *first = add_rule("first", "web/**", OPERATION_GET);

    add_rule("second", "web/**", OPERATION_GET | OPERATION_SIGN);
    cr_assert_eq(policy_find(&config, &www, "web/a", OPERATION_GET), first);
    cr_assert_eq(policy_find(&config, &www, "web/a", OPERATION_SIGN), first + 1);
}

Test(policy, an_unproven_unit_needs_a_user_or_group_beside_it)
{
    struct config_rule *rule = add_rule("unit", "web/**", OPERATION_GET);
    struct peer unproven = www;
    struct policy_answer answer;

    unproven.unit_proven = false;
    cr_assert_eq(strv_add(&rule->units, "nginx.service"), KS_OK);
    cr_assert(allowed(&www, "web/a", OPERATION_GET));
    cr_assert_not(allowed(&unproven, "web/a", OPERATION_GET));
    cr_assert_eq(policy_explain(&config, &unproven, "web/a", OPERATION_GET, &answer), KS_OK);
    cr_assert_str_eq(answer.reasons.items[0],
                     "rule unit: names a unit, which nothing proves here, and neither user nor "
                     "group");
    policy_answer_deinit(&answer);

    set_ids(&rule->uids, &rule->n_uids, 33);
    cr_assert(allowed(&unproven, "web/a", OPERATION_GET));
}

struct word_case {
    char glob[48];
    char user[PEER_USER_MAX + 1];
    char unit[48];
    bool proven;
    char key[48];
    bool allowed;
};

ParameterizedTestParameters(policy, words_stand_for_the_caller)
{
    static struct word_case cases[] = {
        {"agents/{user}/**", "alice", "", false, "agents/alice/a", true},
        {"agents/{user}/**", "alice", "", false, "agents/bob/a", false},
        {"agents/{user}/**", "", "", false, "agents//a", false},
        {"agents/{user}/**", "*", "", false, "agents/bob/a", false},
        {"agents/{user}/**", "**", "", false, "agents/bob/a", false},
        {"agents/{user}/**", "..", "", false, "agents/../a", false},
        {"agents/{user}/**", "a/b", "", false, "agents/a/b/c", false},
        {"agents/{user}", "{uid}", "", false, "agents/1000", false},
        {"agents/{uid}-*", "alice", "", false, "agents/1000-x", true},
        {"agents/{uid}-*", "alice", "", false, "agents/100-x", false},
        {"agents/x{uid}{user}y", "alice", "", false, "agents/x1000alicey", true},
        {"agents/{unit}/*", "alice", "a.service", true, "agents/a.service/k", true},
        {"agents/{unit}/*", "alice", "a.service", false, "agents/a.service/k", false},
        {"agents/{unit}/*", "alice", "", true, "agents//k", false},
        {"agents/{unit}/*", "alice", "a@1.service", true, "agents/a@1.service/k", false},
    };

    return cr_make_param_array(struct word_case, cases, ARRAY_LEN(cases));
}

ParameterizedTest(struct word_case *c, policy, words_stand_for_the_caller)
{
    struct peer peer = {.uid = 1000, .gid = 1000, .unit_proven = c->proven};

    text_copy(peer.user, sizeof(peer.user), c->user);
    text_copy(peer.unit, sizeof(peer.unit), c->unit);
    add_rule("words", c->glob, OPERATION_GET);
    cr_assert_eq(allowed(&peer, c->key, OPERATION_GET), c->allowed, "%s", c->key);
}

Test(policy, a_glob_that_grows_too_long_matches_nothing)
{
    char glob[GLOB_MAX_LEN + 1] = "agents/";
    struct peer peer = alice;

    for (int i = 0; i < 20; i++)
        memcpy(glob + 7 + i * 6, "{user}", 7);
    memset(peer.user, 'u', PEER_USER_MAX);
    add_rule("long", glob, OPERATION_GET);
    cr_assert_not(allowed(&peer, "agents/uu", OPERATION_GET));
}

Test(policy, a_key_in_no_class_is_shown_to_administrators_and_used_by_nobody)
{
    struct config_rule *all = add_rule("all", "**", OPERATION_ALL);

    set_ids(&all->uids, &all->n_uids, 1000);
    cr_assert(allowed(&alice, "web/a", OPERATION_SIGN));
    cr_assert_not(allowed(&alice, "foreign", OPERATION_GET));
    cr_assert_not(allowed(&alice, "foreign", OPERATION_SIGN));
    all->operations |= OPERATION_ADMINISTER;
    cr_assert(allowed(&alice, "foreign", OPERATION_GET));
    cr_assert_not(allowed(&alice, "foreign", OPERATION_SIGN));
    cr_assert_not(allowed(&alice, "foreign", OPERATION_GENERATE));
    cr_assert_not(allowed(&www, "foreign", OPERATION_GET));
}

Test(policy, the_services_own_keys_are_nobodys_even_where_a_class_matches)
{
    text_copy(classes[0].glob, sizeof(classes[0].glob), "**");
    add_rule("all", "**", OPERATION_ALL);
    cr_assert(allowed(&alice, "anything", OPERATION_SIGN));
    cr_assert_not(allowed(&alice, "keysvc/audit", OPERATION_SIGN));
    cr_assert_not(allowed(&alice, "keysvc/audit", OPERATION_GET));
    rules[0].operations |= OPERATION_ADMINISTER;
    cr_assert(allowed(&alice, "keysvc/audit", OPERATION_GET));
    cr_assert_not(allowed(&alice, "keysvc/audit", OPERATION_SIGN));
    cr_assert_not(allowed(&alice, "keysvc/audit", OPERATION_ROTATE));
}

Test(policy, administering_asks_for_no_keys_and_all_does_not_include_it)
{
    struct config_rule *rule = add_rule("admins", NULL, OPERATION_ADMINISTER);

    set_ids(&rule->uids, &rule->n_uids, 1000);
    add_rule("all", "**", OPERATION_ALL);
    cr_assert_eq(policy_find(&config, &alice, NULL, OPERATION_ADMINISTER), rule);
    cr_assert_not(allowed(&www, NULL, OPERATION_ADMINISTER));
    cr_assert_not(allowed(&alice, NULL, OPERATION_GET));
}

Test(policy, sees_keys_who_may_get_any_or_administers)
{
    struct config_rule *rule;

    cr_assert_not(policy_sees_keys(&config, &www));
    rule = add_rule("signers", "**", OPERATION_SIGN);
    cr_assert_not(policy_sees_keys(&config, &www));
    rule->operations = OPERATION_GET;
    set_ids(&rule->uids, &rule->n_uids, alice.uid);
    cr_assert(policy_sees_keys(&config, &alice));
    cr_assert_not(policy_sees_keys(&config, &www));
    rule->operations = OPERATION_ADMINISTER;
    cr_assert(policy_sees_keys(&config, &alice));
    cr_assert_not(policy_sees_keys(&config, &www));
}

Test(policy, explains_each_rule)
{
    struct config_rule *rule = add_rule("nginx", "web/**", OPERATION_GET);
    struct policy_answer answer;

    set_ids(&rule->uids, &rule->n_uids, 33);
    cr_assert_eq(strv_add(&rule->units, "nginx.service"), KS_OK);
    rule = add_rule("agents", "agents/**", OPERATION_ALL);
    set_ids(&rule->gids, &rule->n_gids, 500);
    cr_assert_eq(policy_explain(&config, &alice, "web/shop", OPERATION_SIGN, &answer), KS_OK);
    cr_assert_null(answer.rule);
    cr_assert_eq(answer.class, &classes[0]);
    cr_assert_eq(answer.reasons.n_items, 2);
    cr_assert_str_eq(answer.reasons.items[0],
                     "rule nginx: is not for user alice (uid 1000); is for unit nginx.service and "
                     "not for a caller without a unit; does not list operation sign");
    cr_assert_str_eq(answer.reasons.items[1],
                     "rule agents: is for no group of the caller; has no keys that match web/shop");
    cr_assert_str_eq(
        answer.missing,
        "allow alice-sign { user = {alice}  keys = {\"web/shop\"}  operations = {sign} }");
    policy_answer_deinit(&answer);

    cr_assert_eq(policy_explain(&config, &www, "web/shop", OPERATION_GET, &answer), KS_OK);
    cr_assert_eq(answer.rule, &rules[0]);
    cr_assert_str_eq(answer.missing, "");
    cr_assert_str_eq(answer.reasons.items[0], "rule nginx: allows it");
    policy_answer_deinit(&answer);
}

Test(policy, the_missing_rule_has_a_free_name_and_the_service_unit)
{
    struct policy_answer answer;

    add_rule("www-data-csr", "agents/**", OPERATION_CSR);
    cr_assert_eq(policy_explain(&config, &www, "web/shop", OPERATION_CSR, &answer), KS_OK);
    cr_assert_str_eq(answer.missing,
                     "allow www-data-csr-2 { user = {www-data}  unit = {\"nginx.service\"}  keys = "
                     "{\"web/shop\"}  operations = {csr} }");
    policy_answer_deinit(&answer);
}

Test(policy, without_a_class_the_section_keys_is_missing)
{
    struct policy_answer answer;

    cr_assert_eq(policy_explain(&config, &alice, "new", OPERATION_GENERATE, &answer), KS_OK);
    cr_assert_str_eq(answer.missing,
                     "keys \"new\" { token = main }  allow alice-generate { user = {alice}  keys = "
                     "{\"new\"}  operations = {generate} }");
    policy_answer_deinit(&answer);
    add_rule("all", "**", OPERATION_ALL);
    cr_assert_eq(policy_explain(&config, &alice, "new", OPERATION_GENERATE, &answer), KS_OK);
    cr_assert_str_eq(answer.missing, "keys \"new\" { token = main }");
    cr_assert_str_eq(answer.reasons.items[0], "rule all: matches, but no rule can allow this");
    policy_answer_deinit(&answer);
    cr_assert_eq(policy_explain(&config, &alice, "keysvc/audit", OPERATION_SIGN, &answer), KS_OK);
    cr_assert_str_eq(answer.missing, "");
    policy_answer_deinit(&answer);
}

Test(policy, a_refusal_says_who_what_and_the_nearest_rule)
{
    struct config_rule *rule = add_rule("far", "agents/**", OPERATION_GET);
    struct fault why = FAULT_INIT;
    struct peer nobody = {.uid = 4711};

    set_ids(&rule->uids, &rule->n_uids, 33);
    policy_refusal(&config, &nobody, "web/shop", OPERATION_SIGN, &why);
    cr_assert_str_eq(why.text,
                     "uid 4711 may not sign web/shop: no rule allows it; the nearest, far, "
                     "is not for uid 4711; has no keys that match web/shop; does not list "
                     "operation sign");
    rule = add_rule("near", "web/*", OPERATION_GET | OPERATION_SIGN);
    set_ids(&rule->uids, &rule->n_uids, 33);
    policy_refusal(&config, &alice, "web/shop", OPERATION_SIGN, &why);
    cr_assert_str_eq(why.text,
                     "user alice (uid 1000) may not sign web/shop: no rule allows it; the "
                     "nearest, near, is not for user alice (uid 1000)");
    cr_assert_str_eq(why.hint, "add to keysvcd.conf: allow alice-sign { user = {alice}  keys = "
                               "{\"web/shop\"}  operations = {sign} }");
    policy_refusal(&config, &alice, NULL, OPERATION_ADMINISTER, &why);
    cr_assert_str_eq(why.hint, "add to keysvcd.conf: allow alice-administer { user = {alice}  "
                               "operations = {administer} }");
    policy_refusal(&config, &www, "foreign", OPERATION_SIGN, &why);
    cr_assert_str_eq(why.text,
                     "user www-data (uid 33) in nginx.service may not sign foreign: the key is in "
                     "no class (no `keys` section matches its name)");
    policy_refusal(&config, &www, "keysvc/audit", OPERATION_SIGN, &why);
    cr_assert_not_null(strstr(why.text, "the service's own"), "%s", why.text);
}

/* To administer would show such a key too; nobody is told to hand that out. */
Test(policy, who_may_not_get_a_key_in_no_class_is_told_of_the_class_and_a_rule_for_it_alone)
{
    struct fault why = FAULT_INIT;
    struct policy_answer answer;

    policy_refusal(&config, &alice, "foreign", OPERATION_GET, &why);
    cr_assert_str_eq(why.text, "user alice (uid 1000) may not get foreign: the key is in no class "
                               "(no `keys` section matches its name)");
    cr_assert_str_eq(why.hint,
                     "add to keysvcd.conf: keys \"foreign\" { token = main }  allow alice-get "
                     "{ user = {alice}  keys = {\"foreign\"}  operations = {get} }");
    cr_assert_eq(policy_explain(&config, &alice, "foreign", OPERATION_GET, &answer), KS_OK);
    cr_assert_not_null(strstr(answer.missing, "operations = {get}"), "%s", answer.missing);
    policy_answer_deinit(&answer);
    add_rule("all", "**", OPERATION_GET);
    policy_refusal(&config, &alice, "foreign", OPERATION_GET, &why);
    cr_assert_str_eq(why.hint, "add to keysvcd.conf: keys \"foreign\" { token = main }");
}

Test(policy, a_section_that_does_not_fit_loses_its_unit_and_is_never_cut)
{
    struct peer peer = www;
    struct fault why = FAULT_INIT;
    char key[KEYNAME_MAX + 1] = "web/";

    memset(key + 4, 'k', KEYNAME_MAX - 4);
    key[KEYNAME_MAX] = '\0';
    memset(peer.unit, 'u', JOB_UNIT_MAX);
    memcpy(peer.unit + JOB_UNIT_MAX - 8, ".service", 9);
    policy_refusal(&config, &peer, key, OPERATION_SIGN, &why);
    cr_assert_not_null(strstr(why.hint, "operations = {sign} }"), "%s", why.hint);
    cr_assert_null(strstr(why.hint, "unit"));
}

Test(policy, a_rule_that_is_only_for_another_unit_is_the_nearest_and_is_not_undone)
{
    struct config_rule *rule = add_rule("client", "agents/**", OPERATION_GET | OPERATION_SIGN);
    struct fault why = FAULT_INIT;
    struct policy_answer answer;
    struct peer by_hand = www;

    set_ids(&rule->uids, &rule->n_uids, 33);
    rule = add_rule("nginx", "web/**", OPERATION_GET | OPERATION_SIGN);
    set_ids(&rule->uids, &rule->n_uids, 33);
    cr_assert_eq(strv_add(&rule->units, "nginx.service"), KS_OK);
    by_hand.unit[0] = '\0';
    policy_refusal(&config, &by_hand, "web/shop", OPERATION_SIGN, &why);
    cr_assert_str_eq(why.text,
                     "user www-data (uid 33) may not sign web/shop: no rule allows it; the "
                     "nearest, nginx, is for unit nginx.service and not for a caller "
                     "without a unit");
    cr_assert_str_eq(why.hint, "start the program as unit nginx.service (systemctl), or correct "
                               "`unit` in rule nginx");
    cr_assert_eq(policy_explain(&config, &by_hand, "web/shop", OPERATION_SIGN, &answer), KS_OK);
    cr_assert_str_eq(answer.missing, "");
    policy_answer_deinit(&answer);

    text_copy(by_hand.unit, sizeof(by_hand.unit), "session-3.scope");
    policy_refusal(&config, &by_hand, "web/shop", OPERATION_SIGN, &why);
    cr_assert_not_null(strstr(why.hint, "start the program as unit nginx.service"), "%s", why.hint);
    text_copy(by_hand.unit, sizeof(by_hand.unit), "shop.service");
    policy_refusal(&config, &by_hand, "web/shop", OPERATION_SIGN, &why);
    cr_assert_not_null(strstr(why.text, "the nearest, nginx, is for unit nginx.service and not for "
                                        "shop.service"));
    cr_assert_str_eq(why.hint,
                     "add to keysvcd.conf: allow www-data-sign { user = {www-data}  unit = "
                     "{\"shop.service\"}  keys = {\"web/shop\"}  operations = {sign} }");
    /* Another user is not helped by the unit. */
    policy_refusal(&config, &alice, "web/shop", OPERATION_SIGN, &why);
    cr_assert_not_null(strstr(why.hint, "allow alice-sign { user = {alice}  keys"), "%s", why.hint);
}

Test(policy, an_unproven_unit_is_not_answered_with_a_rule_that_asks_for_none)
{
    struct config_rule *rule = add_rule("nginx", "web/**", OPERATION_SIGN);
    struct fault why = FAULT_INIT;
    struct peer unproven = www;

    unproven.unit_proven = false;
    cr_assert_eq(strv_add(&rule->units, "nginx.service"), KS_OK);
    policy_refusal(&config, &unproven, "web/shop", OPERATION_SIGN, &why);
    cr_assert_str_eq(why.hint, "name the program's user in rule nginx, beside its unit");
}

Test(policy, a_section_with_the_unit_that_does_not_fit_is_left_out_where_a_rule_asks_for_one)
{
    struct config_rule *rule = add_rule("nginx", "web/**", OPERATION_SIGN);
    struct fault why = FAULT_INIT;
    struct peer peer = www;
    char key[KEYNAME_MAX + 1] = "web/";

    cr_assert_eq(strv_add(&rule->units, "nginx.service"), KS_OK);
    memset(key + 4, 'k', KEYNAME_MAX - 4);
    key[KEYNAME_MAX] = '\0';
    memset(peer.unit, 'u', JOB_UNIT_MAX);
    memcpy(peer.unit + JOB_UNIT_MAX - 8, ".service", 9);
    policy_refusal(&config, &peer, key, OPERATION_SIGN, &why);
    cr_assert_not_null(strstr(why.hint, "start the program as unit nginx.service"), "%s", why.hint);
}
