/* SPDX-License-Identifier: Apache-2.0 */
/*
 * config - agent.conf, read whole and checked before anything is done; agent.conf(5)
 *
 *     agent    { state-dir = /var/lib/keysvc-agent  socket = /run/keysvc/keysvc.sock
 *                keys = "agents/{user}"  key-type = ec-p256  environment = default }
 *     listener { address = 127.0.0.1  port = 9999  threads = 4  max-connections = 256
 *                handshake-rate-per-address = "50/s"  handshake-burst-per-address = 500
 *                request-timeout = 30s  client-ca-file = F  client-crl-file = F
 *                client-names = {"console.example"}  client-scopes = {"certificate management"}
 *                certificate-file = F  certificate-password = P  certificate-alias = a }
 *
 * A file that is missing is an empty one, if its path was not given. Command line options replace
 * what stands in it.
 */
#pragma once

#include <limits.h>
#include <sys/types.h>

#include "base/fault.h"
#include "base/secret.h"
#include "client/lib/keysvc.h"

#define CONFIG_TEXT_MAX 256u
#define CONFIG_MAX_LIST 64u
/* How a certificate-password begins that the agent has taken: a verifier, from which nobody reads it. */
#define CONFIG_PASSWORD_TAKEN "$scrypt$"

struct agent_config {
    char path[PATH_MAX]; /* of the file; empty: none was read */
    char state_dir[PATH_MAX];
    char socket[PATH_MAX]; /* empty: the library's own choice */
    /* Identity NAME has the key KEYS/NAME; {user}: see config_set_user(). */
    char keys[KS_NAME_MAX + 1];
    enum ks_key_type key_type;
    char environment[CONFIG_TEXT_MAX]; /* of the REST interface's paths, /e/ENVIRONMENT/... */
    char address[CONFIG_TEXT_MAX];
    uint16_t port; /* 0: the kernel chooses, and the log says which (for tests) */
    uint32_t threads;
    uint32_t max_connections;
    uint32_t max_connections_per_address; /* if not said, half of them */
    uint32_t handshake_rate;              /* a second, of one address, behind the burst */
    uint32_t handshake_burst;
    /* From the connection's first byte, or the last answer, to the request's last. */
    uint32_t request_timeout_ms;
    char client_ca_file[PATH_MAX];       /* empty: no client certificates are asked for */
    char client_crl_file[PATH_MAX];      /* empty: no revocation lists are looked at */
    char *client_names[CONFIG_MAX_LIST]; /* subject CN or DNS name; NULL ends */
    char *client_scopes[CONFIG_MAX_LIST];
    char certificate_file[PATH_MAX];         /* a PKCS#12 taken at start; empty: none */
    char certificate_alias[CONFIG_TEXT_MAX]; /* lower case; empty: the file holds one key */
    struct secret *certificate_password;     /* NULL: none, or it was taken already */
};

/* `path` NULL: the default, which may be missing. USAGE: `why` has file and line. */
ks_err config_load(const char *path, struct agent_config **out, struct fault *why) KS_MUST_CHECK;
/* Puts the name of that account into `keys` for {user}, or the number of one that has none. USAGE: too
 * long. Apart, since root becomes the state folder's owner between the two. */
ks_err config_set_user(struct agent_config *config, uid_t uid, struct fault *why) KS_MUST_CHECK;
/* Wipes the password. Takes NULL, returns NULL. */
struct agent_config *config_free(struct agent_config *config);
