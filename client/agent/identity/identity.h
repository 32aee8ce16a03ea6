/* SPDX-License-Identifier: Apache-2.0 */
/*
 * identity - a name, its key, its certificate and chain, and the self-signed one it falls back to
 *
 * What serves is a *set*: certificate, chain and reference of one key version, numbered, never
 * changed once made. The store says which set is current; for programs it stands in files,
 *
 *     STATE/identities/NAME/current -> sets/7
 *     STATE/identities/NAME/sets/7/{certificate.pem,chain.pem,fullchain.pem,reference.pem}
 *
 * `current` is replaced by rename(2): a reader sees the old set or the new one. The store's commit
 * is the moment of change; agent_open() brings the files to what the store says.
 */
#pragma once

#include "client/agent/agent.h"

enum set_kind {
    SET_SELF_SIGNED = 1,
    SET_ISSUED = 2,   /* by a CA, through a CSR of ours */
    SET_UPLOADED = 3, /* with a PKCS#12, through the REST interface */
};

/* "self-signed", "issued", "uploaded" (status.c) */
const char *set_kind_name(enum set_kind kind);

struct identity_set {
    int64_t number; /* 0: not in the store yet */
    enum set_kind kind;
    char upload[IDENTITY_NAME_MAX + 1]; /* UPLOADED: under which name; else empty */
    struct ks_key key;                  /* with its public half */
    struct ks_chain *chain;             /* DER, the key's own first */
    int64_t made_us;                    /* since 1970 */
};

/* For ks_auto; *set is all zeros afterwards. */
void identity_set_deinit(struct identity_set *set);

/* "agent", "shop-2". */
bool identity_name_valid(const char *name);

/*
 * Makes the identity at first use: key KEYS/NAME (found if it is there already, version 1 or the
 * newest), a self-signed certificate on it, its first set. EXISTS is no error. keysvcd's errors.
 */
ks_err identity_ensure(struct agent *agent, const char *name, struct report *report) KS_MUST_CHECK;

/*
 * One process and thread at a time works on an identity: whoever makes a key for it, or decides by
 * what is current and then changes it, holds this from before the look until after the change. Waits
 * up to LOCK_WAIT_S, else BUSY. NOT_FOUND: no such identity. The holder may take it again (as
 * identity_switch() does), and gives it back as often; it goes with the process.
 */
#define LOCK_WAIT_S 60 /* making an RSA key takes a slow token so long */
ks_err identity_lock(struct agent *agent, const char *name, struct report *report) KS_MUST_CHECK;
void identity_unlock(struct agent *agent);

/* The current set. NOT_FOUND: no such identity. */
ks_err identity_current(struct agent *agent, const char *name, struct identity_set *out,
                        struct report *report) KS_MUST_CHECK;

/* Is the key of a set on the token, and the same one? NO_KEY, KEY_CHANGED, keysvcd's errors. */
ks_err identity_key_check(struct agent *agent, const struct ks_key *key,
                          struct report *report) KS_MUST_CHECK;

/* The number of the current set, cheaply: asked at each new connection. 0: none. */
int64_t identity_current_number(struct agent *agent, const char *name);

/* What is to be changed in the same transaction; what it returns undoes all. */
struct identity_also {
    ks_err (*write)(struct store *store, const void *context, struct fault *why);
    const void *context;
};

/*
 * Makes `set` the current one, durably (number 0: it is a new one and gets its number; else it is in
 * the store already, as for a rollback), and adds to the history what was done
 * (`action`: "apply", "create", "self-signed", "rekey", "activate", "rollback") and by whom. After a crash at
 * any point the old set stands or the new one. On failure the old one does (OUTCOME_UNKNOWN: or the new one); if only its files could not
 * be put into place, that is a note in the report, and identity_recover()'s to mend.
 */
ks_err identity_switch(struct agent *agent, const char *name, struct identity_set *set,
                       const char *action, const struct identity_also *also,
                       struct report *report) KS_MUST_CHECK;

/*
 * Makes the files show what the store says, and removes what a crash left; agent_open() does it for
 * each identity. BUSY: somebody is working on it, and will leave it in order or die.
 */
ks_err identity_recover(struct agent *agent, const char *name, struct fault *why) KS_MUST_CHECK;
