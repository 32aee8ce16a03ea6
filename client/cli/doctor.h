/* SPDX-License-Identifier: Apache-2.0 */
/*
 * doctor - a list of findings: what was looked at, whether it is right, and how to mend it
 *
 * The checks go from the client's end to the service's, then to the files and the host; each adds
 * its findings and never stops the others. What cannot be looked at by this user is skipped and
 * says so.
 */
#pragma once

#include "base/keyname.h"
#include "client/cli/cli.h"

enum doctor_verdict {
    DOCTOR_FINE,
    DOCTOR_SKIPPED, /* not to be seen from here */
    DOCTOR_NOTE,    /* works, and should be better */
    DOCTOR_WRONG,
};

struct doctor_finding {
    enum doctor_verdict verdict;
    ks_err class;      /* WRONG: the exit code it stands for */
    const char *check; /* "socket"; a literal */
    char text[512];
    char mend[640]; /* empty: nothing to mend */
};

struct doctor;

void doctor_fine(struct doctor *doctor, const char *check, const char *format, ...) KS_PRINTF(3, 4);
void doctor_skip(struct doctor *doctor, const char *check, const char *format, ...) KS_PRINTF(3, 4);
/* `mend` is a whole sentence for people. */
void doctor_note(struct doctor *doctor, const char *check, const char *mend, const char *format,
                 ...) KS_PRINTF(4, 5);
void doctor_wrong(struct doctor *doctor, ks_err class, const char *check, const char *mend,
                  const char *format, ...) KS_PRINTF(5, 6);

/*
 * What `keysvcd --check --facts` says about the configuration: lines "fact SECTION NAME OPTION
 * VALUE", as "fact token main pin-file /etc/keysvc/main.pin"; of `daemon` the name is "-". Begins
 * with the first fact; calls `each` for those of a section (and of one name, if not NULL).
 */
struct doctor_fact {
    char section[16];
    char name[KEYNAME_MAX + 1];
    char option[32];
    char value[1024];
};
typedef void (*doctor_fact_fn)(struct doctor *doctor, const struct doctor_fact *fact);
bool doctor_fact_parse(const char *line, struct doctor_fact *out);
/* The one behind `last` (NULL: the first) of a section; NULL: no further one. */
const struct doctor_fact *doctor_fact_next(const struct doctor *doctor, const char *section,
                                           const struct doctor_fact *last);
void doctor_each_fact(struct doctor *doctor, const char *section, doctor_fact_fn each);
/* The value of one option; NULL: not known. */
const char *doctor_fact_find(struct doctor *doctor, const char *section, const char *name,
                             const char *option);

/* Of a login that was refused. */
#define DOCTOR_MEND_LOGIN                                                                          \
    "Put the right PIN into the PIN file; a credential: where LoadCredential= takes it from, "     \
    "restart keysvcd, then keysvc token retry-login. If the PIN is right: retry-login alone, "     \
    "which costs one try, too."

/* The checks, in their order. */
void doctor_socket(struct doctor *doctor, struct cli *cli);  /* doctor_service.c */
void doctor_service(struct doctor *doctor, struct cli *cli); /* doctor_service.c */
/* `more`: further arguments for keysvcd --check, ending with NULL. */
void doctor_config(struct doctor *doctor, struct cli *cli, const char *const *more);
void doctor_tokens(struct doctor *doctor);                /* doctor_token.c */
void doctor_devices(struct doctor *doctor);               /* doctor_device.c */
void doctor_stores(struct doctor *doctor);                /* doctor_store.c */
void doctor_keys(struct doctor *doctor, struct cli *cli); /* doctor_keys.c */
void doctor_audit(struct doctor *doctor);                 /* doctor_host.c */
void doctor_state(struct doctor *doctor);                 /* doctor_host.c */
void doctor_host(struct doctor *doctor);                  /* doctor_host.c */

/* For doctor_service.c: what each token says of itself, if the caller is an administrator. */
void doctor_info(struct doctor *doctor, struct ks_client *client, const struct ks_status *status);
void doctor_info_check(struct doctor *doctor, const char *token, const struct ks_token_info *info);

/* What administrators are told of a group: whether its tokens show the same keys. */
void doctor_group(struct doctor *doctor, const struct ks_group *group);

/* A token that is not ready: how to mend what its text says. Never empty. */
const char *doctor_known_trouble(const char *text, const char *otherwise);

/* Whether the service answered; doctor_service.c says so. */
void doctor_note_answer(struct doctor *doctor, const struct ks_status *status);
bool doctor_answers(const struct doctor *doctor);
/* The hash of the configuration that the service uses; NULL: it did not answer. */
const uint8_t *doctor_configuration(const struct doctor *doctor);

/* A list of findings and facts, for tests of single checks: doctor_free() takes NULL. */
struct doctor *doctor_new(void);
struct doctor *doctor_free(struct doctor *doctor);
const struct doctor_finding *doctor_finding_at(const struct doctor *doctor, size_t i); /* or NULL */

/* For doctor_config.c: takes a copy. */
void doctor_fact_add(struct doctor *doctor, const struct doctor_fact *fact);
