/* SPDX-License-Identifier: Apache-2.0 */
/*
 * doctor_listener - who listens where the agent should, and with which certificate
 *
 * One connection as a client makes it. Nothing is trusted and nothing is sent.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <sys/socket.h>

#include "base/hex.h"
#include "client/agent/doctor/doctor.h"

#define PATIENCE_S 5 /* for a handshake, in which the token signs */
#define PLACE_MAX (CONFIG_TEXT_MAX + 16u)

static int
dial(const struct agent_config *config)
{
    const struct timeval patience = {.tv_sec = PATIENCE_S};
    struct sockaddr_in6 six = {.sin6_family = AF_INET6, .sin6_port = htons(config->port)};
    struct sockaddr_in four = {.sin_family = AF_INET, .sin_port = htons(config->port)};
    bool is_six = inet_pton(AF_INET6, config->address, &six.sin6_addr) == 1;
    const struct sockaddr *to = is_six ? (struct sockaddr *)&six : (struct sockaddr *)&four;
    int fd = socket(to->sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (!is_six && inet_pton(AF_INET, config->address, &four.sin_addr) != 1)
        errno = EINVAL;
    else if (fd >= 0 && setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)) == 0 &&
             setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience)) == 0 &&
             connect(fd, to, is_six ? sizeof(six) : sizeof(four)) == 0)
        return fd;
    if (fd >= 0) {
        int why = errno;

        close(fd);
        errno = why;
    }
    return -1;
}

/* The SHA-256 of the certificate that it shows; false: no handshake. */
static bool
shown_certificate(int fd, char out[static 2 * KS_SHA256_LEN + 1])
{
    SSL_CTX *context = SSL_CTX_new(TLS_client_method());
    SSL *ssl = context ? SSL_new(context) : NULL;
    uint8_t sha256[EVP_MAX_MD_SIZE];
    unsigned int len = 0;
    X509 *certificate = NULL;

    if (ssl && SSL_set_fd(ssl, fd) == 1 && SSL_connect(ssl) == 1)
        certificate = SSL_get1_peer_certificate(ssl);
    if (certificate && X509_digest(certificate, EVP_sha256(), sha256, &len) == 1)
        hex_text(out, sha256, KS_SHA256_LEN);
    X509_free(certificate);
    SSL_free(ssl);
    SSL_CTX_free(context);
    return len == KS_SHA256_LEN;
}

static void
compare(struct doctor *doctor, const char *place, const char *shown)
{
    const char *current = json_string_value(json_object_get(doctor->status, "sha256"));

    if (!current)
        doctor_add(doctor, DOCTOR_WRONG, KS_ERR_IN_USE, "listener",
                   "Find it with ss -ltnp, or give the agent another port.",
                   "somebody listens at %s already, and there is no certificate of ours yet",
                   place);
    else if (strcmp(current, shown) != 0)
        doctor_add(doctor, DOCTOR_WRONG, KS_ERR_IN_USE, "listener",
                   "Find out who it is with ss -ltnp: another program or another agent has the "
                   "port, or this agent works on another state-dir.",
                   "%s shows the certificate %.16s..., the current one is %.16s...", place, shown,
                   current);
    else
        doctor_add(doctor, DOCTOR_FINE, KS_OK, "listener", "",
                   "the agent serves the current certificate at %s", place);
}

void
doctor_listener(struct doctor *doctor)
{
    const struct agent_config *config = doctor->config;
    char place[PLACE_MAX], shown[2 * KS_SHA256_LEN + 1];
    ks_auto(closep) int fd = -1;

    if (strcmp(doctor->identity, IDENTITY_OF_LISTENER) != 0)
        return;
    snprintf(place, sizeof(place), "%s, port %u", config->address, config->port);
    if (config->port == 0) {
        doctor_add(doctor, DOCTOR_SKIPPED, KS_OK, "listener", "",
                   "port 0: the kernel chooses one at each start");
        return;
    }
    fd = dial(config);
    if (fd < 0)
        doctor_add(doctor, errno == ECONNREFUSED ? DOCTOR_NOTE : DOCTOR_WRONG, KS_ERR_NO_SERVICE,
                   "listener", "Start it: systemctl start keysvc-agent, or keysvc-agent run.",
                   "%s: %s", place, strerror(errno));
    else if (!shown_certificate(fd, shown))
        doctor_add(doctor, DOCTOR_WRONG, KS_ERR_IN_USE, "listener",
                   "Find out who it is with ss -ltnp. If it is the agent its log says why: "
                   "event=handshake-failed, or its token hangs.",
                   "who listens at %s makes no TLS handshake within %d s", place, PATIENCE_S);
    else
        compare(doctor, place, shown);
}
