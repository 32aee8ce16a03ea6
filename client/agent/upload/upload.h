/* SPDX-License-Identifier: Apache-2.0 */
/*
 * upload - certificates that came as a PKCS#12, with their keys, for the agent's own listener
 *
 * The file goes on to keysvcd as it came; the agent parses no private key. Key NAME lands on the token
 * as KEYS/upload/NAME, certificates and a verifier of the password in the store. One of the uploads may
 * be what identity `agent` serves: it is *active*. Each change holds that identity's lock.
 */
#pragma once

#include "client/agent/store/store_upload.h"

#define UPLOAD_KEYS "upload" /* KEYS/upload/NAME */

struct upload_file {
    const void *data;
    size_t len;
    const char *password; /* UTF-8, "" for none */
    const char *alias;    /* which key of several; NULL or "": there is one */
    bool replace_active;  /* may be the active one, which it then follows */
};

/* What of a file is remembered to know it again: SHA-256 of the alias, a zero byte and the file. */
void upload_source(const struct upload_file *file, uint8_t out[static KS_SHA256_LEN]);

/*
 * Imports, checks and activates it; *out is its description. BAD_REQUEST: the name, the file or its
 * password; CERTIFICATE_REFUSED: what is in it cannot serve; TOO_LARGE; IN_USE: the name is active;
 * keysvcd's errors. On failure nothing is changed, and what was imported is removed again.
 */
ks_err upload_put(struct agent *agent, const char *name, const struct upload_file *file,
                  json_t **out, struct report *report) KS_MUST_CHECK;

/* NOT_FOUND; BAD_REQUEST: a wrong password; CERTIFICATE_REFUSED: it expired meanwhile; NO_KEY,
 * KEY_CHANGED: the token does not have its key any more. */
ks_err upload_activate(struct agent *agent, const char *name, const char *password, json_t **out,
                       struct report *report) KS_MUST_CHECK;

/* Removes the key, all its versions, and the certificates; a key below the `keys` of an earlier agent.conf
 * stays, and the log names it. NOT_FOUND; IN_USE. */
ks_err upload_delete(struct agent *agent, const char *name, struct report *report) KS_MUST_CHECK;

/* NOT_FOUND; BAD_REQUEST: a wrong password. */
ks_err upload_describe(struct agent *agent, const char *name, const char *password, json_t **out,
                       struct report *report) KS_MUST_CHECK;

/* An array: [{"name"}, ...]; the active one is described whole. */
ks_err upload_list(struct agent *agent, json_t **out, struct report *report) KS_MUST_CHECK;

/* upload_view.c: {"name", "active", "alias", "desc": ["Subject:..;Valid from:..;..", ...]}; NULL: no memory. */
json_t *upload_view(const struct upload *upload, bool active);

/* upload_check.c: may it serve, as far as that is known without a CA: it fits its key, is valid now, and
 * is for servers. CERTIFICATE_REFUSED, with each check in the report. */
ks_err upload_check(const struct ks_key *key, const struct ks_chain *chain,
                    struct report *report) KS_MUST_CHECK;

/*
 * upload_config.c: takes certificate-file, if its password stands in agent.conf as people write it, and
 * puts a verifier in the password's place; *taken: it was taken now. The agent can serve without it.
 */
ks_err upload_config(struct agent *agent, bool *taken, struct report *report) KS_MUST_CHECK;
