/* SPDX-License-Identifier: Apache-2.0 */
/*
 * keys - the keys of this process's token: listed once, then found by label without a search
 *
 * A search costs a token as much as it has objects (SoftHSM: 330 ms at 10,000 keys), so the sign
 * path asks the hash table and the token only for what is not in it: a key that another worker or
 * another tool made since. An entry's handle is good for the slot generation it was found in;
 * afterwards the key is found again and its public key read anew, so that a changed key shows.
 *
 * Entries live until keys_free() or the next keys_list(), whichever comes first.
 */
#pragma once

#include "base/err.h"
#include "base/fault.h"
#include "ipc/job.h"
#include "token/adopt.h"
#include "token/slot.h"
#include "token/spki.h"

struct key {
    char label[KEYNAME_LABEL_MAX + 1];
    char name[KEYNAME_MAX + 1];
    uint32_t version;
    enum job_key_state state;
    CK_OBJECT_HANDLE handle; /* of the private key */
    uint64_t generation;     /* of the slot, when it was found; 0: to be found again */
    struct spki spki;        /* len 0: no public half found */
    uint8_t spki_sha256[KS_SHA256_LEN];
    EVP_PKEY *pkey;                   /* for verification; NULL: not made yet */
    bool proved;                      /* a signature made since it was found was verified */
    enum ks_purpose recorded_purpose; /* the last one in the audit; COUNT: none yet */
    bool is_adopted;                  /* found by the URI of a `key` section, not by our label */
    bool was_warned_of;               /* it can leave the token, and the log says so */
    bool is_changed;                  /* waits for keys_take_changed */
};

struct keys;

ks_err keys_new(struct slot *slot, struct keys **out) KS_MUST_CHECK;
struct keys *keys_free(struct keys *keys);

/*
 * Which labels mean foreign keys; empties `list`. True: others than before. What this touches is
 * found again at its next use, so nothing is used by a section that is gone; new ones are in the
 * list after the next keys_list().
 */
bool keys_adopt(struct keys *keys, struct adopt_list *list);

/* Searches the token and replaces everything known; what was recorded about unchanged keys stays.
 * After a failure the old list is as it was: a token that names an object and then cannot show it has
 * failed, and shrinks nothing. */
ks_err keys_list(struct keys *keys, struct fault *why) KS_MUST_CHECK;

/*
 * The usable key with that label. NO_KEY, AMBIGUOUS_KEY: two private keys carry it, or fit the URI; KEY_CHANGED is
 * not said here, the caller compares spki_sha256. Others come from the token, with why->rv.
 */
ks_err keys_get(struct keys *keys, const char *label, struct key **out,
                struct fault *why) KS_MUST_CHECK;

/* What the list has under that label, in any state, without asking the token; NULL: nothing. */
struct key *keys_known(const struct keys *keys, const char *label);

/* The token does not know the handle any more: the next keys_get() finds it again. */
void keys_forget(struct key *key);

/* It was destroyed: known to be gone without another look. */
void keys_gone(struct keys *keys, struct key *key);

/* The newest version of a name that is listed; 0: none. Looks at every key. */
uint32_t keys_newest(const struct keys *keys, const char *name);

size_t keys_count(const struct keys *keys);
struct key *keys_at(const struct keys *keys, size_t index);

/* A key that keys_get() found new, changed or gone and that nobody took yet; NULL: none left. */
struct key *keys_take_changed(struct keys *keys);

/* For verification; made once. */
ks_err keys_pkey(struct key *key, EVP_PKEY **out, struct fault *why) KS_MUST_CHECK;
