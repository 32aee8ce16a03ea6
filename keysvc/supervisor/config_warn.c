/* SPDX-License-Identifier: Apache-2.0 */
/*
 * config_warn - what works and should not be done
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "base/log.h"
#include "supervisor/config.h"

#ifndef SO_PEERPIDFD
#define SO_PEERPIDFD 77 /* Linux 6.5; older headers lack it */
#endif

static void warn_file(config_teller *tell, const struct config *config);
static void warn_token(config_teller *tell, const struct config *config,
                       const struct config_token *token);
static void warn_rule(config_teller *tell, const struct config *config,
                      const struct config_rule *rule, bool pidfds);
static void warn_key(config_teller *tell, const struct config *config,
                     const struct config_key *key);
static bool kernel_has_peer_pidfds(void);

static void KS_PRINTF(2, 3) warn(config_teller *tell, const char *format, ...)
{
    char text[1024];
    va_list args;

    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    if (tell)
        tell(text);
    else
        log_warning("%s", text);
}

void
config_warn(const struct config *config, config_teller *tell)
{
    bool pidfds = kernel_has_peer_pidfds();

    warn_file(tell, config);
    for (size_t i = 0; i < config->n_tokens; i++)
        warn_token(tell, config, &config->tokens[i]);
    for (size_t i = 0; i < config->n_rules; i++)
        warn_rule(tell, config, &config->rules[i], pidfds);
    for (size_t i = 0; i < config->n_keys; i++)
        warn_key(tell, config, &config->keys[i]);
    if (config->n_rules == 0)
        warn(tell, "%s: there are no rules: nobody may do anything", config->path);
}

static void
warn_file(config_teller *tell, const struct config *config)
{
    struct stat st;

    if (stat(config->path, &st) == 0 && (st.st_mode & 022))
        warn(tell,
             "%s: can be written by others than its owner (mode %03o): they decide who may "
             "sign",
             config->path, st.st_mode & 0777);
}

static void
warn_pin_file(config_teller *tell, const struct config_token *token)
{
    struct stat st;

    if (token->pin_file[0] == '\0')
        return;
    if (stat(token->pin_file, &st) < 0)
        warn(tell, "token %s: pin-file %s: %s", token->name, token->pin_file, strerror(errno));
    else if (st.st_mode & 077)
        warn(tell, "token %s: pin-file %s is open to others than its owner (mode %03o); chmod 600",
             token->name, token->pin_file, st.st_mode & 0777);
}

static void
warn_store(config_teller *tell, const struct config *config, const struct config_token *token)
{
    if (token->store[0] == '\0') {
        if (token->profile.copies.n_items > 0)
            warn(tell,
                 "token %s: its profile %s names files to keep copies of, but the section "
                 "has no store: a crash at the wrong moment can destroy the token, and a "
                 "start of one of its processes a key that was just made",
                 token->name, token->profile.name);
        return;
    }
    if (access(token->store, F_OK) < 0)
        warn(tell, "token %s: store %s: %s", token->name, token->store, strerror(errno));
    for (const struct config_token *other = config->tokens; other < token; other++) {
        if (strcmp(other->store, token->store) == 0 && other->uid != token->uid)
            warn(tell,
                 "tokens %s and %s share the store %s and run as two users: one may not "
                 "open what the other writes",
                 other->name, token->name, token->store);
    }
}

static void
warn_sandbox(config_teller *tell, const struct config_token *token)
{
    if (token->profile.sandbox == CONFIG_SANDBOX_OFF)
        warn(tell,
             "token %s: its sandbox is off: its module may do whatever its user may; sandbox = on "
             "is the default",
             token->name);
    else if (token->store[0] == '\0' && token->profile.write.n_items == 0)
        warn(tell,
             "token %s: nothing says which files its module changes (store or write): all that its "
             "user may open stay open to it; for a module that changes none: write = /dev/null",
             token->name);
    /* It would be opened to the module when its process starts, and is not there then. */
    for (size_t i = 0; i < token->profile.write.n_items; i++) {
        if (access(token->profile.write.items[i], F_OK) < 0 && errno == ENOENT)
            warn(tell, "token %s: write %s: %s", token->name, token->profile.write.items[i],
                 strerror(ENOENT));
    }
}

static void
warn_token(config_teller *tell, const struct config *config, const struct config_token *token)
{
    warn_pin_file(tell, token);
    warn_store(tell, config, token);
    warn_sandbox(tell, token);
    if (access(token->profile.module, F_OK) < 0)
        warn(tell, "token %s: module %s: %s", token->name, token->profile.module, strerror(errno));
    if (token->profile.rescan_reinitializes && token->profile.workers > 1)
        warn(tell,
             "token %s: its module reads objects only when it is initialised: of %u workers all "
             "but the first answer NO_KEY for keys that are made while they run",
             token->name, token->profile.workers);
    if (token->uid == CONFIG_NO_ID)
        return;
    if (token->uid == 0)
        warn(tell, "token %s: its module runs as root", token->name);
    if (token->uid == config->front_uid)
        warn(tell, "token %s: runs as the same user as the front process, which talks to clients",
             token->name);
    for (const struct config_token *other = config->tokens; other < token; other++) {
        if (other->uid == token->uid)
            warn(tell, "tokens %s and %s run as one user: each module can reach the other's files",
                 other->name, token->name);
    }
}

/* Could the glob of a rule match a key of some class? {words} stand for anything in a component. */
static bool
reaches_a_class(const struct config *config, const char *glob)
{
    if (strchr(glob, '{'))
        return true;
    for (size_t i = 0; i < config->n_classes; i++) {
        if (glob_overlap(glob, config->classes[i].glob))
            return true;
    }
    return false;
}

static void
warn_rule(config_teller *tell, const struct config *config, const struct config_rule *rule,
          bool pidfds)
{
    bool unit_counts = pidfds || rule->n_uids > 0 || rule->n_gids > 0;

    if (rule->units.n_items > 0 && !unit_counts)
        warn(tell,
             "allow %s: never matches on this kernel: without SO_PEERPIDFD (Linux 6.5) a "
             "rule with unit must also name a user or group",
             rule->name);
    for (size_t i = 0; i < rule->keys.n_items; i++) {
        if (rule->units.n_items == 0 && !unit_counts && strstr(rule->keys.items[i], "{unit}"))
            warn(tell,
                 "allow %s: keys \"%s\" never match on this kernel: without SO_PEERPIDFD (Linux "
                 "6.5) a rule with {unit} must also name a user or group",
                 rule->name, rule->keys.items[i]);
        if (!reaches_a_class(config, rule->keys.items[i]))
            warn(tell, "allow %s: keys \"%s\" match no `keys` section", rule->name,
                 rule->keys.items[i]);
    }
}

static void
warn_key(config_teller *tell, const struct config *config, const struct config_key *key)
{
    if (!config_class_of(config, key->name))
        warn(tell,
             "key %s: in no class: administrators see it and nobody can use it; a `keys` "
             "section must match its name",
             key->name);
}

static bool
kernel_has_peer_pidfds(void)
{
    ks_auto(closep) int left = -1;
    ks_auto(closep) int right = -1;
    ks_auto(closep) int pidfd = -1;
    socklen_t len = sizeof(pidfd);
    int pair[2];

    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
        return false;
    left = pair[0];
    right = pair[1];
    return getsockopt(left, SOL_SOCKET, SO_PEERPIDFD, &pidfd, &len) == 0;
}
