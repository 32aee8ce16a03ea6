/* SPDX-License-Identifier: Apache-2.0 */
/*
 * keysvc-token - one process, one module, one token
 *
 *   setup -> leave to start -> module, token -> login -> keys -> READY -> serve_run() -> end
 *
 * Started by keysvcd with the control socket as CONTROL_FD. Every way out is an exit code of
 * ipc/control.h, and no way out runs the module's own exit handlers: some crash there.
 */
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#include <openssl/crypto.h>

#include "base/log.h"
#include "token/administer.h"
#include "token/audit_guard.h"
#include "token/checkpoint.h"
#include "token/identity.h"
#include "token/module.h"
#include "token/orphan.h"
#include "token/sandbox.h"
#include "token/serve.h"
#include "token/store.h"
#include "token/tell.h"
#include "token/wipe.h"
#include "token/worker.h"

#define END_TIMEOUT_S 3 /* for C_Finalize; a token that hangs there has lost nothing of ours */

static int start(struct worker *worker, struct fault *why);
static int start_audit(struct worker *worker, int audit_fd, int before_fd, struct fault *why);
static int start_token(struct worker *worker, bool login_override, struct fault *why);
static ks_err start_store(struct worker *worker, bool held, struct fault *why);
static int start_keys(struct worker *worker, struct fault *why);
static void say_failure(struct worker *worker, int exit_code, const struct fault *why);
static void end(struct worker *worker, int exit_code) __attribute__((noreturn));

static volatile sig_atomic_t end_code;

/* What an exec of the supervisor's cannot have done for us. Signals of a terminal or a service
 * manager are the supervisor's business: it says STOP, or its socket closes. */
static bool
harden(void)
{
    static const int ignored[] = {SIGHUP,  SIGINT,  SIGPIPE, SIGQUIT,
                                  SIGTERM, SIGUSR1, SIGUSR2, SIGXFSZ};
    const struct rlimit no_core = {0, 0};

    for (size_t i = 0; i < ARRAY_LEN(ignored); i++)
        signal(ignored[i], SIG_IGN);
    /* Before libp11 or a module can ask for the system's openssl.cnf. */
    return prctl(PR_SET_DUMPABLE, 0) == 0 && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
           setrlimit(RLIMIT_CORE, &no_core) == 0 && wipe_install() &&
           OPENSSL_init_crypto(OPENSSL_INIT_NO_LOAD_CONFIG, NULL) == 1;
}

int
main(int argc, char **argv)
{
    struct worker worker = WORKER_INIT;
    struct fault why = FAULT_INIT;
    int exit_code;

    log_init("keysvc-token", LOG_LEVEL_INFO);
    if (!harden()) {
        log_error("event=harden-failed");
        return CONTROL_EXIT_SETUP;
    }
    if (argc > 1 && strcmp(argv[1], "--administer") == 0) {
        signal(SIGINT, SIG_DFL);
        exit_code = administer_run(argc - 2, argv + 2);
        fflush(NULL);
        _exit(exit_code);
    }
    exit_code = start(&worker, &why);
    if (exit_code == WORKER_GO_ON)
        exit_code = serve_run(&worker);
    else
        say_failure(&worker, exit_code, &why);
    end(&worker, exit_code);
}

static int
start(struct worker *worker, struct fault *why)
{
    struct control_setup setup = {.config = NULL};
    char process[CONFIG_TITLE_MAX + 32];
    int fds[3] = {-1, -1, -1};
    int exit_code;

    if (parent_new(CONTROL_FD, &worker->parent, why) != KS_OK ||
        parent_setup(worker->parent, &setup, fds, 2, why) != KS_OK)
        return CONTROL_EXIT_SETUP;
    worker->config = ks_steal(&setup.config);
    worker->token = &worker->config->tokens[setup.token_index];
    worker->index = setup.worker_index;
    memcpy(worker->audit_key.der, setup.audit_key, setup.audit_key_len);
    worker->audit_key.len = setup.audit_key_len;
    snprintf(process, sizeof(process), "keysvc-token[%s/%u]", worker->token->name, worker->index);
    log_init(process, getenv("KEYSVC_DEBUG") ? LOG_LEVEL_DEBUG : LOG_LEVEL_INFO);
    if (pulse_map(fds[0], &worker->p11.pulse) != KS_OK) {
        fault_set(why, "the pulse is no page of the supervisor's");
        return CONTROL_EXIT_SETUP;
    }
    if (orphan_watch(worker->p11.pulse, &worker->token->profile, process, parent_fd(worker->parent),
                     why) != KS_OK)
        return CONTROL_EXIT_SETUP;
    exit_code = start_audit(worker, fds[1], fds[2], why);
    if (exit_code == WORKER_GO_ON)
        exit_code = start_token(worker, setup.login_override, why);
    if (exit_code == WORKER_GO_ON)
        exit_code = start_keys(worker, why);
    if (exit_code == WORKER_GO_ON)
        worker_put_gate(worker);
    return exit_code;
}

static int
start_audit(struct worker *worker, int audit_fd, int before_fd, struct fault *why)
{
    char name[CONFIG_TITLE_MAX + 12];

    snprintf(name, sizeof(name), "%s-%u", worker->token->name, worker->index);
    if (audit_guard_place(&audit_fd, why) != KS_OK || audit_guard_install(why) != KS_OK ||
        audit_open(audit_fd, before_fd, name, &worker->audit, why) != KS_OK)
        return CONTROL_EXIT_SETUP;
    audit_belongs(worker->audit, parent_fd(worker->parent));
    audit_start(worker->audit, worker->config, worker->index);
    return WORKER_GO_ON;
}

static ks_err
ask_login(void *context, int *pin_fd, struct fault *why)
{
    struct worker *worker = context;
    ks_err err;

    /* Not another token's PIN to try, and not its tries to spend. */
    err = identity_check_early(worker, why);
    if (err)
        return err;
    /* Whose turn it is may be starting, and wait for the gate before he lets us log in. */
    if (worker->keys)
        worker_open_gate(worker);
    err = parent_ask_login(worker->parent, pin_fd, why);
    if (err)
        return err;
    /* The supervisor waits for what becomes of the login that it has allowed. */
    err = worker_take_gate(worker, why);
    if (err)
        parent_tell_login(worker->parent, err, why);
    return err;
}

/* The copies are renewed before anybody else may log in. */
static void
keep_store(struct worker *worker)
{
    struct fault why = FAULT_INIT;

    if (store_keep(worker->token, &why) != KS_OK)
        log_error("event=store-copy-failed token=%s text=\"%s\"", worker->token->name, why.text);
}

static void
tell_login(void *context, ks_err result, const struct fault *why)
{
    struct worker *worker = context;
    struct fault ignored = FAULT_INIT;

    if (result == KS_OK && identity_check(worker, &ignored) == KS_OK)
        keep_store(worker);
    worker_put_gate(worker);
    audit_login(worker->audit, result, why);
    parent_tell_login(worker->parent, result, why);
}

static int
start_token(struct worker *worker, bool login_override, struct fault *why)
{
    const struct slot_broker broker = {ask_login, tell_login, worker};
    CK_SLOT_ID slot_id = 0;
    bool store_held = false;
    ks_err err;

    err = parent_start(worker->parent, &store_held, why);
    if (err)
        return parent_is_stopping(worker->parent) ? CONTROL_EXIT_OK : CONTROL_EXIT_SETUP;
    err = start_store(worker, store_held, why);
    if (err)
        return err == KS_ERR_TOKEN_UNAVAILABLE ? CONTROL_EXIT_NO_TOKEN : CONTROL_EXIT_SETUP;
    err = token_sandbox_enter(worker->token, TOKEN_SANDBOX_SERVE, &worker->sandbox, why);
    if (err)
        return CONTROL_EXIT_SETUP;
    err = module_load(worker->token->profile.module, worker->p11.pulse, &worker->module, why);
    if (!err) {
        worker->p11.list = module_functions(worker->module);
        err = module_find_token(worker->module, worker->token, &slot_id, why);
    }
    if (!err)
        err = slot_new(&worker->p11, slot_id, &broker, login_override, &worker->slot);
    if (!err)
        err = slot_open(worker->slot, why);
    if (!err)
        err = slot_login(worker->slot, why);
    if (!err)
        err = identity_check(worker, why);
    switch (err) {
    case KS_OK:
        return WORKER_GO_ON;
    case KS_ERR_KEY_CHANGED:
        return CONTROL_EXIT_OTHER_TOKEN;
    case KS_ERR_LOGIN_BLOCKED:
        return CONTROL_EXIT_LOGIN_BLOCKED;
    case KS_ERR_BAD_REQUEST:
    case KS_ERR_INTERNAL:
    case KS_ERR_NO_SERVICE:
        return CONTROL_EXIT_SETUP;
    default:
        return CONTROL_EXIT_NO_TOKEN;
    }
}

/* The module must not see the store before it is ours, and whole. */
static ks_err
start_store(struct worker *worker, bool held, struct fault *why)
{
    ks_auto(closep) int lock = -1;
    size_t n_restored = 0;
    ks_err err = KS_OK;

    if (!held)
        err = store_lock(worker->token, &lock, why);
    if (!err && lock >= 0)
        err = parent_store_lock(worker->parent, lock, why);
    if (!err)
        err = worker_take_gate(worker, why);
    if (!err)
        err = store_restore(worker->token, &n_restored, why);
    return err;
}

static void
see_purpose(void *context, const char *label, enum ks_purpose purpose)
{
    struct worker *worker = context;
    struct key *key = keys_known(worker->keys, label);

    if (key)
        key->recorded_purpose = purpose;
}

static int
start_keys(struct worker *worker, struct fault *why)
{
    struct control_state state;
    ks_err err;

    err = keys_new(worker->slot, &worker->keys);
    if (!err)
        err = worker_list_keys(worker, why);
    if (err)
        return CONTROL_EXIT_NO_TOKEN;
    if (worker->index == 1) {
        audit_scan_purposes(AUDIT_GUARD_FD, see_purpose, worker);
        checkpoint_prepare(worker);
        tell_purposes(worker);
    }
    identity_learn(worker);
    (void)!audit_flush(worker->audit, true, why); /* a failure is logged */
    worker_state(worker, TOKEN_STATE_READY, "", &state);
    if (parent_ready(worker->parent, &state) != KS_OK) {
        fault_set(why, "the supervisor is gone");
        return CONTROL_EXIT_SETUP;
    }
    log_info("event=ready token=%s keys=%zu", worker->token->name, keys_count(worker->keys));
    log_info("event=sandbox calls=%s files=%s landlock=%u", worker->sandbox.calls ? "on" : "off",
             worker->sandbox.files ? "on" : "off", worker->sandbox.abi);
    return WORKER_GO_ON;
}

static void
say_failure(struct worker *worker, int exit_code, const struct fault *why)
{
    enum token_state token_state = TOKEN_STATE_FAILED;
    struct fault ignored = FAULT_INIT;
    struct control_state state;

    if (exit_code == CONTROL_EXIT_OK)
        return;
    if (exit_code == CONTROL_EXIT_NO_TOKEN || exit_code == CONTROL_EXIT_OTHER_TOKEN) {
        /* It may be so for days, each second: the supervisor says it once. */
        log_debug("event=no-token text=\"%s\"", why->text);
        token_state = TOKEN_STATE_ABSENT;
    } else {
        log_error("event=start-failed exit=%d text=\"%s\"", exit_code, why->text);
    }
    if (exit_code == CONTROL_EXIT_LOGIN_BLOCKED)
        token_state = TOKEN_STATE_LOGIN_BLOCKED;
    if (worker->audit)
        (void)!audit_flush(worker->audit, true, &ignored); /* a failure is logged */
    if (!worker->token)
        return;
    worker_state(worker, token_state, why->text, &state);
    if (parent_state(worker->parent, &state) != KS_OK)
        log_error("event=supervisor-gone");
}

static void
end_late(int number)
{
    (void)number;
    _exit((int)end_code);
}

/* C_Finalize lets the token go in good order; everything else the kernel takes back. */
static void
end(struct worker *worker, int exit_code)
{
    end_code = exit_code;
    orphan_forget();
    signal(SIGALRM, end_late);
    alarm(END_TIMEOUT_S);
    if (worker->p11.list)
        (void)p11_finalize(&worker->p11);
    _exit(exit_code);
}
