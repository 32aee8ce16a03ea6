/* SPDX-License-Identifier: Apache-2.0 */
/*
 * run - ensure, listen, wait for a signal
 *
 * Each loop of the server has an agent of its own, with its store and its connection to keysvcd, and
 * its own TLS contexts: nothing is shared between them but files.
 */
#include "client/agent/serve/run.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <systemd/sd-daemon.h>
#include <time.h>

#include "base/log.h"
#include "client/agent/identity/configured.h"
#include "client/agent/identity/identity.h"
#include "client/agent/serve/rest.h"
#include "client/agent/serve/tls.h"
#include "client/agent/upload/upload.h"
#include "client/web/server.h"

#define RETRY_S 1      /* while keysvcd is not there */
#define GRACE_MS 5000u /* for requests that are under way at the end */
#define MAX_BODY_LEN (1024u * 1024u)
#define MAX_HEADERS_LEN (16u * 1024u)

/* What the threads have in common. */
struct service {
    const struct agent *agent;
    struct rest *rest;
};

struct thread {
    struct agent *agent;
    struct rest *rest; /* the service's */
    struct tls *tls;
};

static ks_err leave_no_traces(struct report *report);
static void block_signals(sigset_t *signals);
static ks_err ensure(struct agent *agent, const sigset_t *signals, bool *stop,
                     struct report *report);
static bool wait_for_signal(const sigset_t *signals, int seconds);
static void take_configured(struct agent *agent);
static ks_err serve(struct agent *agent, const sigset_t *signals, struct report *report);
static ks_err run_server(struct agent *agent, struct server *server, const sigset_t *signals,
                         struct fault *why) KS_MUST_CHECK;
static ks_err check_tls(struct agent *agent, struct report *report);
static void *thread_new(void *context, struct fault *why);
static void thread_free(void *state);
static SSL_CTX *thread_tls(void *state);
static const char *thread_client(SSL *ssl, void *state);
static void admit(struct web_request *request, void *state);
static void handle(struct web_request *request, void *state);

ks_err
run_agent(struct agent *agent, struct report *report)
{
    bool stop = false;
    sigset_t signals;
    ks_err err;

    err = leave_no_traces(report);
    if (err)
        return err;
    block_signals(&signals);
    err = ensure(agent, &signals, &stop, report);
    if (err || stop)
        return err;
    take_configured(agent);
    return serve(agent, &signals, report);
}

/* Passwords pass through its memory. After root's rights are gone: that change resets the flag. */
static ks_err
leave_no_traces(struct report *report)
{
    const struct rlimit none = {0, 0};

    if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) || setrlimit(RLIMIT_CORE, &none))
        return report_fail(report, KS_ERR_INTERNAL, "cannot switch off core files: %s",
                           strerror(errno));
    return KS_OK;
}

/* Those that end it are waited for; SIGHUP is for services that read their configuration again. */
static void
block_signals(sigset_t *signals)
{
    signal(SIGHUP, SIG_IGN);
    signal(SIGPIPE, SIG_IGN);
    sigemptyset(signals);
    sigaddset(signals, SIGTERM);
    sigaddset(signals, SIGINT);
    sigprocmask(SIG_BLOCK, signals, NULL);
}

/* keysvcd tells of one missing rule at a time; an agent needs several operations. */
static void
add_hint(struct report *report)
{
    char hint[sizeof(report->hint)];

    memcpy(hint, report->hint, sizeof(hint));
    report_hint(report, "%s; all that an agent needs: keysvc-agent(1), FIRST START", hint);
}

/* Agent and keysvcd start in any order. */
static ks_err
ensure(struct agent *agent, const sigset_t *signals, bool *stop, struct report *report)
{
    char said[sizeof(report->message)] = "";

    for (;;) {
        ks_err err = identity_ensure(agent, IDENTITY_OF_LISTENER, report);

        if (err == KS_ERR_DENIED)
            add_hint(report);
        if (!err || !report->retryable)
            return err;
        if (strcmp(said, report->message) != 0) {
            snprintf(said, sizeof(said), "%s", report->message);
            log_warning("event=waiting outcome=%s why=\"%s\"", ks_err_name(err), LOG_TEXT(said));
            sd_notifyf(0, "STATUS=waiting for keysvcd: %s", said);
        }
        if (wait_for_signal(signals, RETRY_S)) {
            *stop = true;
            *report = (struct report)REPORT_INIT;
            return KS_OK;
        }
        *report = (struct report)REPORT_INIT;
    }
}

/* Seconds negative: as long as it takes. */
static bool
wait_for_signal(const sigset_t *signals, int seconds)
{
    const struct timespec limit = {.tv_sec = seconds};
    int number;

    do
        number = seconds < 0 ? sigwaitinfo(signals, NULL) : sigtimedwait(signals, NULL, &limit);
    while (number < 0 && errno == EINTR);
    return number > 0;
}

/* Without the certificate of agent.conf the agent serves with what it has, and says so. */
static void
take_configured(struct agent *agent)
{
    struct report report = REPORT_INIT;
    bool taken;
    ks_err err;

    err = upload_config(agent, &taken, &report);
    if (agent->config->certificate_password) /* nobody asks for it again */
        explicit_bzero(agent->config->certificate_password,
                       sizeof(*agent->config->certificate_password));
    if (!err) {
        configured_clear(agent);
        return;
    }
    configured_refused(agent, taken, &report);
    log_error("event=%s outcome=%s why=\"%s\" hint=\"%s\"",
              taken ? "certificate-password-stays" : "certificate-file-not-taken",
              ks_err_name(report.code), LOG_TEXT(report.message), LOG_TEXT(report.hint));
    sd_notifyf(0, "STATUS=certificate-file: %s", report.message);
}

static ks_err
serve(struct agent *agent, const sigset_t *signals, struct report *report)
{
    const struct agent_config *config = agent->config;
    struct service service = {.agent = agent};
    const struct server_options options = {
        .address = config->address,
        .port = config->port,
        .threads = config->threads,
        .max_connections = config->max_connections,
        .max_each = config->max_connections_per_address,
        .handshake_rate = config->handshake_rate,
        .handshake_burst = config->handshake_burst,
        .request_timeout_ms = config->request_timeout_ms,
        .max_body_len = MAX_BODY_LEN,
        .max_headers_len = MAX_HEADERS_LEN,
        .tls = thread_tls,
        .client = thread_client,
        .handle = handle,
        .admit = admit,
        .thread_new = thread_new,
        .thread_free = thread_free,
        .context = &service,
    };
    struct fault why = FAULT_INIT;
    struct server *server;
    ks_err err;

    err = check_tls(agent, report);
    if (err)
        return err;
    err = rest_new(config, &service.rest, &why);
    if (err)
        return report_fault(report, err, &why);
    err = server_new(&options, &server, &why);
    if (err == KS_ERR_USAGE)
        fault_hint(&why, "keysvc-agent doctor says who listens there; address and port stand in "
                         "agent.conf, section listener");
    if (!err)
        err = run_server(agent, server, signals, &why);
    rest_free(service.rest);
    return err ? report_fault(report, err, &why) : KS_OK;
}

static ks_err
run_server(struct agent *agent, struct server *server, const sigset_t *signals, struct fault *why)
{
    const struct agent_config *config = agent->config;
    ks_err err = server_start(server, why);

    if (err) {
        server_free(server);
        return err;
    }
    log_info("event=listening address=%s port=%u", config->address, server_port(server));
    sd_notifyf(0, "READY=1\nSTATUS=listening at %s, port %u", config->address, server_port(server));
    wait_for_signal(signals, -1);
    log_info("event=stopping");
    sd_notify(0, "STOPPING=1");
    server_stop(server, GRACE_MS);
    server_free(server);
    return KS_OK;
}

/* As each thread does; here its error keeps its name. */
static ks_err
check_tls(struct agent *agent, struct report *report)
{
    struct tls *tls;
    ks_err err;

    err = tls_new(agent, &tls, report);
    if (!err)
        tls_free(tls);
    return err;
}

static void *
thread_new(void *context, struct fault *why)
{
    const struct service *service = context;
    const struct agent *main_agent = service->agent;
    struct report report = REPORT_INIT;
    struct thread *thread = calloc(1, sizeof(*thread));

    if (!thread) {
        fault_set(why, "no memory");
        return NULL;
    }
    thread->rest = service->rest;
    if (agent_open(main_agent->config, main_agent->who, &thread->agent, &report) ||
        tls_new(thread->agent, &thread->tls, &report)) {
        fault_set(why, "%s", report.message);
        thread_free(thread);
        return NULL;
    }
    return thread;
}

static void
thread_free(void *state)
{
    struct thread *thread = state;

    tls_free(thread->tls);
    agent_close(thread->agent);
    free(thread);
}

static SSL_CTX *
thread_tls(void *state)
{
    struct thread *thread = state;

    return tls_context(thread->tls);
}

static const char *
thread_client(SSL *ssl, void *state)
{
    struct thread *thread = state;

    return tls_client_lapsed(thread->tls, ssl);
}

static void
admit(struct web_request *request, void *state)
{
    struct thread *thread = state;

    rest_admit(thread->rest, thread->agent, request);
}

static void
handle(struct web_request *request, void *state)
{
    struct thread *thread = state;

    rest_handle(thread->rest, thread->agent, request);
}
