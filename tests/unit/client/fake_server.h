/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fake_server - a keysvcd of a few lines that says what a test wants it to
 *
 * Listens in a folder of its own, a thread for each connection. Hello is answered; every other
 * request is counted and given to the test's handler, which answers, answers later from another
 * call, or does not. It proves nothing about keysvcd; the system tests do.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define FAKE_N_OPERATIONS 32
#define FAKE_MAX_FDS 4
#define FAKE_PROGRAM_MAX 256

struct fake_server;

struct fake_request {
    int fd; /* of the connection: for the answers, and for shutdown() */
    uint64_t id;
    int operation;       /* the wire's number: 16 is sign */
    const uint8_t *data; /* sign: what is to be signed; else NULL */
    size_t data_len;
    int prehashed;
    uint32_t version; /* rotate, import: from_version */
    const char *name; /* the key's; list: after_name; token info: the token's */
    int sha256_first; /* csr and later: the first byte of public_key_sha256; -1: not 32 bytes */
    const char *common_name; /* csr, self-sign */
    const char *challenge_password;
    size_t n_alternatives;
    uint32_t days;           /* self-sign */
    size_t n_certificates;   /* certificate put */
    size_t certificates_len; /* bytes of all of them */
    int format;              /* import */
    bool has_password;
    const char *select;
    bool keep_certificates;
    int fds[FAKE_MAX_FDS]; /* that came with the first byte; closed behind the handler */
    size_t n_fds;
};

typedef void (*fake_handler)(struct fake_server *server, const struct fake_request *request);

enum fake_hello {
    FAKE_HELLO_ANSWERED,
    FAKE_HELLO_SILENT,
    FAKE_HELLO_OTHER_VERSION,
    FAKE_HELLO_DROPPED, /* the connection is closed instead; the next ones are answered */
    FAKE_HELLO_REFUSED, /* error BUSY about the connection, then closed */
};

/* At `path`, or in a new folder if NULL. */
struct fake_server *fake_server_start(const char *path, fake_handler handler, void *context);

/* Closes all connections; the folder goes with `remove`. */
void fake_server_stop(struct fake_server *server, bool remove);

const char *fake_server_path(const struct fake_server *server);
void *fake_server_context(const struct fake_server *server);
void fake_server_hello(struct fake_server *server, enum fake_hello hello);
/* What the last Hello called itself. */
void fake_server_program(struct fake_server *server, char out[static FAKE_PROGRAM_MAX]);
unsigned int fake_server_connections(struct fake_server *server);
unsigned int fake_server_requests(struct fake_server *server, int operation);

/* Answers, of the kind that was asked for. */
void fake_key(const struct fake_request *request, const char *name, uint32_t version);
/* The one that is asked for; of a name alone version 2. */
void fake_asked_key(const struct fake_request *request);
/* web/shop@1 of this token and class. */
/* web/shop@1 on these tokens of a group. */
/* With what the file of an import gave: certificates of these lengths. */
void fake_imported(const struct fake_request *request, const char *alias, const size_t *lens,
                   size_t n_lens);
void fake_key_on(const struct fake_request *request, const char *const *tokens, size_t n_tokens);
void fake_key_of(const struct fake_request *request, const char *token, const char *class_glob);
void fake_signature(const struct fake_request *request, const void *data, size_t len);
void fake_error(const struct fake_request *request, unsigned int code, bool retryable);
void fake_refusal(const struct fake_request *request, unsigned int code, bool retryable,
                  const char *name);
void fake_keys(const struct fake_request *request, const char *const *names, size_t n_names,
               bool more);
void fake_status(const struct fake_request *request);
void fake_csr(const struct fake_request *request);
void fake_explanation(const struct fake_request *request);
void fake_done(const struct fake_request *request);

/* Certificates of these lengths. */
void fake_chain(const struct fake_request *request, const size_t *lens, size_t n_lens);

/* Counts and lengths; 0 for a length: a text as a token has it. */
struct fake_token {
    size_t label_len;
    size_t n_mechanisms;
    size_t mechanism_len;
    size_t n_unsupported;
    size_t word_len;
};
void fake_token_info(const struct fake_request *request, const struct fake_token *token);

/* Counts and lengths of one answer; what is wrong with it. */
struct fake_metrics {
    size_t n_items; /* of each list; buckets aside */
    size_t n_bounds;
    size_t n_counts; /* of each histogram; n_bounds + 1 is right */
    size_t name_len; /* of all names; 0: as they are */
    bool descending; /* bounds */
};
void fake_metrics(const struct fake_request *request, const struct fake_metrics *metrics);

/* Slow: one byte at a time. */
void fake_signature_in_bytes(const struct fake_request *request, const void *data, size_t len);
void fake_raw(const struct fake_request *request, const void *data, size_t len);
