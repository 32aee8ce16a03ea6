/* SPDX-License-Identifier: Apache-2.0 */
#include "web_rig.h"

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <openssl/err.h>
#include <openssl/x509.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>

#include "base/clock.h"

#define PATIENCE_S 20
#define LONG_LEN (8u * 1024u * 1024u)

static SSL_CTX *
give_context(void *state)
{
    struct rig *rig = state;
    int current = rig->current;

    rig->n_handshakes++;
    if (current < 0)
        return NULL;
    SSL_CTX_up_ref(rig->contexts[current]);
    return rig->contexts[current];
}

static const char *
judge(SSL *ssl, void *state)
{
    struct rig *rig = state;

    cr_assert_not_null(SSL_get0_peer_certificate(ssl));
    return rig->lapsed;
}

static void
answer_long(struct web_request *request)
{
    char *text = calloc(1, LONG_LEN);

    web_answer_bytes(request, 200, "application/octet-stream", text, LONG_LEN);
    free(text);
}

static void
wait_to_go_on(struct rig *rig)
{
    uint64_t begin_ms = clock_mono_ms();

    rig->waiting = true;
    while (!rig->go_on && clock_mono_ms() - begin_ms < PATIENCE_S * 1000)
        usleep(1000);
}

static void
handle(struct web_request *request, void *state)
{
    const char *path = web_path(request);
    const X509 *client = web_client_certificate(request);
    char name[256] = "nobody";
    size_t len;
    const void *body = web_body(request, &len);

    cr_assert_not_null(state);
    if (strcmp(path, "/none") == 0)
        return;
    if (strcmp(path, "/wait") == 0)
        wait_to_go_on(state);
    if (client)
        X509_NAME_oneline(X509_get_subject_name(client), name, sizeof(name));
    else if (web_client_lapsed(request))
        snprintf(name, sizeof(name), "nobody: %s", web_client_lapsed(request));
    if (strcmp(path, "/header") == 0) {
        web_answer_header(request, "X-Good", "1");
        web_answer_header(request, "X-Bad", "1\r\nX-Worse: 1");
    }
    if (strcmp(path, "/echo") == 0)
        web_answer_bytes(request, 200, "text/plain", body, len);
    else if (strcmp(path, "/peer") == 0)
        web_answer_text(request, 200, "%s", name);
    else if (strcmp(path, "/long") == 0)
        answer_long(request);
    else if (strcmp(path, "/wait") == 0 || strcmp(path, "/header") == 0)
        web_answer(request, 200);
    else
        web_answer_text(request, 404, "nothing at %s", path);
}

static void *
thread_new(void *context, struct fault *why)
{
    (void)why;
    return context;
}

void
rig_certify(SSL_CTX *context, const char *name)
{
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *certificate = X509_new();
    X509_NAME *subject = X509_get_subject_name(certificate);

    X509_set_version(certificate, X509_VERSION_3);
    ASN1_INTEGER_set(X509_get_serialNumber(certificate), 1);
    X509_gmtime_adj(X509_getm_notBefore(certificate), 0);
    X509_gmtime_adj(X509_getm_notAfter(certificate), 3600);
    X509_set_pubkey(certificate, key);
    X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC, (const unsigned char *)name, -1, -1, 0);
    X509_set_issuer_name(certificate, subject);
    cr_assert(X509_sign(certificate, key, EVP_sha256()) > 0);
    cr_assert(SSL_CTX_use_certificate(context, certificate));
    cr_assert(SSL_CTX_use_PrivateKey(context, key));
    X509_free(certificate);
    EVP_PKEY_free(key);
}

void
rig_init(struct rig *rig)
{
    static const char *const NAMES[] = {"one", "two"};

    signal(SIGPIPE, SIG_IGN);
    *rig = (struct rig){.current = 0};
    for (size_t i = 0; i < ARRAY_LEN(NAMES); i++) {
        rig->contexts[i] = SSL_CTX_new(TLS_server_method());
        rig_certify(rig->contexts[i], NAMES[i]);
    }
    rig->options = (struct server_options){
        .address = "127.0.0.1",
        .threads = 2,
        .max_connections = 20,
        .request_timeout_ms = 20000,
        .max_body_len = 1024 * 1024,
        .max_headers_len = 16384,
        .tls = give_context,
        .client = judge,
        .handle = handle,
        .thread_new = thread_new,
        .context = rig,
    };
}

void
rig_start(struct rig *rig)
{
    struct fault why = FAULT_INIT;

    cr_assert_eq(server_new(&rig->options, &rig->server, &why), KS_OK, "%s", why.text);
    cr_assert_eq(server_start(rig->server, &why), KS_OK, "%s", why.text);
    cr_assert_neq(server_port(rig->server), 0);
}

void
rig_deinit(struct rig *rig)
{
    rig->server = server_free(rig->server);
    for (size_t i = 0; i < ARRAY_LEN(rig->contexts); i++)
        SSL_CTX_free(rig->contexts[i]);
}

int
rig_dial(const struct rig *rig)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons(server_port(rig->server))};
    struct timeval limit = {.tv_sec = PATIENCE_S};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    inet_pton(AF_INET, "127.0.0.1", &address.sin_addr);
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
    cr_assert_eq(connect(fd, (const struct sockaddr *)&address, sizeof(address)), 0);
    return fd;
}

SSL *
rig_connect(const struct rig *rig, int version)
{
    SSL_CTX *context = SSL_CTX_new(TLS_client_method());
    SSL *ssl;

    SSL_CTX_set_min_proto_version(context, version);
    SSL_CTX_set_max_proto_version(context, version);
    SSL_CTX_set_security_level(context, 0); /* or it would not try TLS 1.0 */
    ssl = SSL_new(context);
    SSL_CTX_free(context);
    SSL_set_fd(ssl, rig_dial(rig));
    if (SSL_connect(ssl) == 1)
        return ssl;
    rig_hang_up(ssl);
    return NULL;
}

void
rig_hang_up(SSL *ssl)
{
    int fd = SSL_get_fd(ssl);

    SSL_free(ssl);
    ERR_clear_error();
    close(fd);
}

const char *
rig_server_name(const SSL *ssl)
{
    static char name[64];

    X509_NAME_get_text_by_NID(X509_get_subject_name(SSL_get0_peer_certificate(ssl)), NID_commonName,
                              name, sizeof(name));
    return name;
}

const char *
rig_ask(SSL *ssl, const char *request)
{
    int len = (int)strlen(request);

    return SSL_write(ssl, request, len) == len ? rig_answer(ssl) : "";
}

/* Byte by byte to the end of the headers: what comes behind the answer is the next one's. */
const char *
rig_answer(SSL *ssl)
{
    static char text[65536];
    const char *length;
    size_t len = 0, body = 0;

    text[0] = '\0';
    while (len < sizeof(text) - 1 && !strstr(text, "\r\n\r\n")) {
        if (SSL_read(ssl, text + len, 1) != 1)
            return "";
        text[++len] = '\0';
    }
    length = strstr(text, "Content-Length: ");
    if (length)
        body = strtoul(length + strlen("Content-Length: "), NULL, 10);
    while (body > 0 && len < sizeof(text) - 1 && SSL_read(ssl, text + len, 1) == 1) {
        text[++len] = '\0';
        body--;
    }
    return text;
}

int
rig_status(const struct rig *rig, const char *request)
{
    SSL *ssl = rig_connect(rig, 0);
    int status = 0;

    cr_assert_not_null(ssl);
    (void)sscanf(rig_ask(ssl, request), "HTTP/1.1 %d ", &status);
    rig_hang_up(ssl);
    return status;
}

void
rig_until_waiting(const struct rig *rig)
{
    uint64_t begin_ms = clock_mono_ms();

    while (!rig->waiting && clock_mono_ms() - begin_ms < PATIENCE_S * 1000)
        usleep(1000);
    cr_assert(rig->waiting);
}

bool
rig_closed(SSL *ssl)
{
    char waste[4096];
    int result;

    do
        result = SSL_read(ssl, waste, sizeof(waste));
    while (result > 0);
    return SSL_get_error(ssl, result) != SSL_ERROR_WANT_READ;
}
