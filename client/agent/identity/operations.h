/* SPDX-License-Identifier: Apache-2.0 */
/*
 * operations - what can be done to an identity; one function, one file each
 *
 * Each has a command (certificate-...) and a route for the console. Answers are json_decref'd or
 * free()d by the caller; on failure they are not set.
 */
#pragma once

#include "client/agent/identity/identity.h"

/* status.c: {"identity", "state", "self_signed", "kind", "key", "subject", "issuer", "serial", "not_before", "not_after",
 * "sha256", "names": [...], "trust": ..., "set", "pending_csrs", "history": [...]}; "certificate_file" if that of agent.conf was refused; docs/agent.md */
ks_err certificate_status(struct agent *agent, const char *identity, json_t **out,
                          struct report *report) KS_MUST_CHECK;

/* get.c: the current certificate and its chain, PEM. */
ks_err certificate_get(struct agent *agent, const char *identity, char **pem,
                       struct report *report) KS_MUST_CHECK;

/* create_csr.c. NULL texts: the defaults; alternative_names: comma-separated, NULL: host name, FQDN
 * and static addresses. Kept as pending until a certificate for its key is applied. */
struct csr_fields {
    const char *common_name, *organization, *organization_unit, *country, *state, *locality;
    const char *alternative_names;
};
ks_err certificate_create_csr(struct agent *agent, const char *identity,
                              const struct csr_fields *fields, char **pem,
                              struct report *report) KS_MUST_CHECK;

/* apply.c: bytes as they were in the files, DER or PEM; a PEM may hold intermediates. CERTIFICATE_REFUSED:
 * the report's checks say why. *out: {"applied": bool, "checks": [...], "certificate": {...}}. */
struct apply_request {
    const void *certificate;
    size_t certificate_len;
    const void *ca;
    size_t ca_len;
    bool what_if; /* the same checks and report, nothing changes */
};
#define APPLY_MAX_LEN (1024u * 1024u) /* of each file */
ks_err certificate_apply(struct agent *agent, const char *identity,
                         const struct apply_request *request, json_t **out,
                         struct report *report) KS_MUST_CHECK;

/* self_signed.c: back to the kept one, else a new one on the existing key; rekey: a new key version
 * and a new certificate. */
ks_err certificate_self_signed(struct agent *agent, const char *identity, bool rekey,
                               struct report *report) KS_MUST_CHECK;

/* rollback.c: to the set that was current before. NOT_FOUND: there is none. */
ks_err certificate_rollback(struct agent *agent, const char *identity,
                            struct report *report) KS_MUST_CHECK;
