/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fake_child - plays keysvc-token or keysvc-front for the supervisor's tests, by a script
 *
 * It is linked under both names into a test's own folder, where it finds `script-main-1` or
 * `script-front`: line N is what its Nth start does, the last line is used again and again. It
 * appends what it sees to `log` there, one line each. Words of a script, done in order:
 *
 *   start        START_WANTED, wait for START_GO     login        LOGIN_WANTED, wait; denied: exit 66
 *   login-ok     LOGIN_RESULT OK                     login-refused  ... LOGIN_BLOCKED, exit 66
 *   login-other  ... TOKEN_UNAVAILABLE, exit 65      ready        READY
 *   serve        answer CONFIG, until STOP           wait         as serve, CONFIG is not answered
 *   exit=N                                           die          SIGKILL to itself
 *   noise        bytes that are no message           wrong        a message nobody may send here
 *   flood        says a thousand times in what state it is
 *   hang=N       a call of phase N that never ends   checkpoint   CHECKPOINT of its own chain
 *   worker       serve until WORKER comes            bad=N        WORKER_BAD of main's worker N
 *   reload, retry=TOKEN   ADMIN                    store[=PATH]  STORE_LOCK with that folder, or /tmp
 *   denied       as login, and goes on if denied     until=FILE   wait for a file in the folder
 *   late         answer the next CONFIG after LATE_GATE_S at the store's gate and LATE_IDLE_S of idleness
 */
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/auxv.h>
#include <sys/stat.h>

#include "ipc/channel.h"
#include "ipc/control.h"
#include "ipc/pulse.h"
#include "signer.h"

#define LINE_LEN 512
#define FAILED_EXIT 99
#define DENIED_TIMEOUT_MS 20000
#define WAIT_US 5000
#define LATE_GATE_S 11 /* longer than a reload waits */
#define LATE_IDLE_S 1

struct fake {
    struct channel *channel;
    char folder[512];
    char name[80]; /* "main-1", "front" */
    char token[64];
    uint32_t index;
    struct pulse *pulse;
    bool denied;
    uint64_t generation; /* of SETUP */
    uint64_t configured; /* of the last CONFIG */
};

static struct fake fake;

static void note(const char *format, ...) KS_PRINTF(1, 2);

static void
note(const char *format, ...)
{
    char path[600], line[LINE_LEN];
    va_list args;
    FILE *log;
    int len;

    len = snprintf(line, sizeof(line), "%s ", fake.name);
    va_start(args, format);
    vsnprintf(line + len, sizeof(line) - (size_t)len, format, args);
    va_end(args);
    snprintf(path, sizeof(path), "%s/log", fake.folder);
    log = fopen(path, "a");
    if (!log)
        _exit(FAILED_EXIT);
    setvbuf(log, NULL, _IOFBF, LINE_LEN * 2);
    fprintf(log, "%s\n", line);
    fclose(log);
}

static void
send_empty(enum control_message type)
{
    if (channel_send(fake.channel, (uint16_t)type, NULL, NULL, 0, DENIED_TIMEOUT_MS) != KS_OK)
        _exit(FAILED_EXIT);
}

static void
send_buf(enum control_message type, struct buf *body)
{
    if (channel_send(fake.channel, (uint16_t)type, body, NULL, 0, DENIED_TIMEOUT_MS) != KS_OK)
        _exit(FAILED_EXIT);
    buf_deinit(body);
}

static void
send_generation(enum control_message type, uint64_t generation)
{
    struct buf body = BUF_INIT;

    pack_u64(&body, generation);
    send_buf(type, &body);
}

static void
note_setup(struct message *message)
{
    struct control_setup setup;

    if (message->type != CONTROL_SETUP ||
        control_setup_unpack(message->body, message->len, &setup) != KS_OK)
        _exit(FAILED_EXIT);
    fake.generation = setup.config->generation;
    note("setup generation=%llu override=%d fds=%zu uid=%d",
         (unsigned long long)setup.config->generation, setup.login_override, message->n_fds,
         (int)geteuid());
    if (fake.token[0] != '\0' && pulse_map(message_take_fd(message, 0), &fake.pulse) != KS_OK)
        _exit(FAILED_EXIT);
    control_setup_deinit(&setup);
}

static void
note_worker(const struct message *message)
{
    struct control_worker worker;

    if (control_worker_unpack(message->body, message->len, &worker) != KS_OK)
        _exit(FAILED_EXIT);
    note("worker %s-%u fds=%zu", worker.token, worker.worker_index, message->n_fds);
}

static void
note_state(const struct message *message)
{
    struct control_state state;

    if (control_state_unpack(message->body, message->len, &state) != KS_OK)
        _exit(FAILED_EXIT);
    note("state %s-%u %s %s", state.token, state.worker_index, token_state_name(state.state),
         state.text);
    if (state.n_restarts > 0)
        note("restarts %s-%u %llu", state.token, state.worker_index,
             (unsigned long long)state.n_restarts);
}

static void
note_tally(const struct message *message)
{
    struct control_tally tally;

    if (control_tally_unpack(message->body, message->len, &tally) != KS_OK ||
        tally.started_us == 0 || tally.configured_us < tally.started_us)
        _exit(FAILED_EXIT);
    note("tally fronts=%llu good=%llu bad=%llu last=%s audit=%llu",
         (unsigned long long)tally.n_front_restarts, (unsigned long long)tally.n_reloads,
         (unsigned long long)tally.n_reloads_failed, tally.last_reload_failed ? "bad" : "good",
         (unsigned long long)tally.n_audit_failures);
}

static void
take_config(const struct message *message, bool answer)
{
    struct config *config = NULL;

    if (config_unpack(message->body, message->len, &config) != KS_OK)
        _exit(FAILED_EXIT);
    note("config %llu", (unsigned long long)config->generation);
    fake.configured = config->generation;
    if (answer)
        send_generation(CONTROL_CONFIG_DONE, config->generation);
    config_free(config);
}

static void
take(struct message *message, bool answer)
{
    struct control_result result;
    size_t pin_len = 0;
    char byte;

    switch (message->type) {
    case CONTROL_STOP:
        note("stop");
        _exit(0);
    case CONTROL_CONFIG:
        take_config(message, answer);
        break;
    case CONTROL_WORKER:
        note_worker(message);
        break;
    case CONTROL_STATE:
        note_state(message);
        break;
    case CONTROL_TALLY:
        note_tally(message);
        break;
    case CONTROL_FRONT:
        note("front fds=%zu", message->n_fds);
        break;
    case CONTROL_AUDIT:
        note("audit fds=%zu len=%zu", message->n_fds, message->len);
        break;
    case CONTROL_AUDIT_GONE:
        note("audit-gone fds=%zu len=%zu", message->n_fds, message->len);
        break;
    case CONTROL_START_GO:
        note("start-go store=%d", message->len == 1 ? message->body[0] : -1);
        break;
    case CONTROL_LOGIN_GO:
        while (pread(message->fds[0], &byte, 1, (off_t)pin_len) == 1)
            pin_len++;
        note("login-go pin=%zu", pin_len);
        break;
    case CONTROL_LOGIN_DENIED:
    case CONTROL_ADMIN_RESULT:
        if (control_result_unpack(message->body, message->len, &result) != KS_OK)
            _exit(FAILED_EXIT);
        fake.denied = message->type == CONTROL_LOGIN_DENIED;
        note("%s %s cookie=%llu %s", fake.denied ? "denied" : "admin-result",
             err_info(result.err)->name, (unsigned long long)result.cookie, result.why.text);
        break;
    default:
        note("unexpected %u", message->type);
        break;
    }
}

/* Until a message of this type came; 0: for ever. The end of the supervisor is ours. */
static void
serve_until(enum control_message type, bool answer)
{
    struct message message = MESSAGE_INIT;
    uint16_t got = 0;

    while (!fake.denied && (got == 0 || got != type)) {
        if (channel_receive(fake.channel, &message, -1) != KS_OK)
            _exit(FAILED_EXIT);
        got = message.type;
        take(&message, answer);
    }
    message_deinit(&message);
}

static void
send_result(ks_err err)
{
    struct control_result result = {.err = err, .why = FAULT_INIT};
    struct buf body = BUF_INIT;

    if (err)
        fault_set(&result.why, "the fake says %s", err_info(err)->name);
    control_result_pack(&body, &result);
    send_buf(CONTROL_LOGIN_RESULT, &body);
}

static void
send_ready(void)
{
    struct control_state state = {.worker_index = fake.index, .state = TOKEN_STATE_READY};
    struct buf body = BUF_INIT;

    if (fake.token[0] == '\0') {
        send_generation(CONTROL_READY, fake.generation);
        return;
    }
    text_copy(state.token, sizeof(state.token), fake.token);
    text_copy(state.label, sizeof(state.label), "a label");
    control_state_pack(&body, &state);
    send_buf(CONTROL_READY, &body);
}

/* It is absent and there again, over and over. */
static void
send_states(void)
{
    struct control_state state = {.worker_index = fake.index};

    text_copy(state.token, sizeof(state.token), fake.token);
    for (unsigned int i = 0; i < 1000; i++) {
        struct buf body = BUF_INIT;

        state.state = i % 2 ? TOKEN_STATE_READY : TOKEN_STATE_ABSENT;
        control_state_pack(&body, &state);
        send_buf(CONTROL_STATE, &body);
    }
}

static void
send_checkpoint(void)
{
    struct control_checkpoint checkpoint = {.signature_len = 0};
    EVP_PKEY *key = EVP_EC_gen("P-256");
    struct buf body = BUF_INIT;

    snprintf(checkpoint.text, sizeof(checkpoint.text),
             CHAIN_CHECKPOINT_PREFIX "chain=%s seq=1 hash=%064d time=2026-11-22T00:18:16.123456Z",
             fake.name, 0);
    text_copy(checkpoint.token, sizeof(checkpoint.token), fake.token);
    if (!key || !signer_sign(key, &checkpoint))
        _exit(FAILED_EXIT);
    EVP_PKEY_free(key);
    control_checkpoint_pack(&body, &checkpoint);
    send_buf(CONTROL_CHECKPOINT, &body);
}

static void
send_admin(enum control_admin_action action, const char *token)
{
    struct control_admin admin = {.cookie = 77, .action = action};
    struct buf body = BUF_INIT;

    text_copy(admin.token, sizeof(admin.token), token);
    control_admin_pack(&body, &admin);
    send_buf(CONTROL_ADMIN, &body);
}

static void
send_worker_bad(const char *token, uint32_t index)
{
    struct control_worker worker = {.worker_index = index};
    struct buf body = BUF_INIT;

    text_copy(worker.token, sizeof(worker.token), token);
    control_worker_pack(&body, &worker);
    send_buf(CONTROL_WORKER_BAD, &body);
}

static void
send_store(const char *path)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);

    if (fd < 0 ||
        channel_send(fake.channel, CONTROL_STORE_LOCK, NULL, &fd, 1, DENIED_TIMEOUT_MS) != KS_OK)
        _exit(FAILED_EXIT);
    close(fd);
}

static void
wait_for_file(const char *name)
{
    char path[600];

    snprintf(path, sizeof(path), "%s/%s", fake.folder, name);
    while (access(path, F_OK) < 0)
        usleep(WAIT_US);
}

static void
answer_late(void)
{
    serve_until(CONTROL_CONFIG, false);
    pulse_enter(fake.pulse, PULSE_GATE);
    sleep(LATE_GATE_S);
    pulse_leave(fake.pulse);
    sleep(LATE_IDLE_S);
    note("answers late");
    send_generation(CONTROL_CONFIG_DONE, fake.configured);
}

static void
play_word(const char *word)
{
    static const uint8_t noise[32] = {0xff, 0xff, 0xff, 0xff, 0xff};

    if (strcmp(word, "start") == 0) {
        send_empty(CONTROL_START_WANTED);
        serve_until(CONTROL_START_GO, true);
    } else if (strcmp(word, "store") == 0) {
        send_store("/tmp");
    } else if (strncmp(word, "store=", 6) == 0) {
        send_store(word + 6);
    } else if (strcmp(word, "login") == 0 || strcmp(word, "denied") == 0) {
        send_empty(CONTROL_LOGIN_WANTED);
        serve_until(CONTROL_LOGIN_GO, true);
        if (fake.denied && strcmp(word, "login") == 0)
            _exit(CONTROL_EXIT_LOGIN_BLOCKED);
    } else if (strcmp(word, "login-ok") == 0) {
        send_result(KS_OK);
    } else if (strcmp(word, "login-refused") == 0) {
        send_result(KS_ERR_LOGIN_BLOCKED);
        _exit(CONTROL_EXIT_LOGIN_BLOCKED);
    } else if (strcmp(word, "login-other") == 0) {
        send_result(KS_ERR_TOKEN_UNAVAILABLE);
        _exit(CONTROL_EXIT_NO_TOKEN);
    } else if (strcmp(word, "ready") == 0) {
        send_ready();
    } else if (strcmp(word, "serve") == 0) {
        serve_until(0, true);
    } else if (strcmp(word, "wait") == 0) {
        serve_until(0, false);
    } else if (strcmp(word, "late") == 0) {
        answer_late();
    } else if (strncmp(word, "until=", 6) == 0) {
        wait_for_file(word + 6);
    } else if (strncmp(word, "exit=", 5) == 0) {
        _exit(atoi(word + 5));
    } else if (strcmp(word, "die") == 0) {
        raise(SIGKILL);
    } else if (strcmp(word, "noise") == 0) {
        if (write(CONTROL_FD, noise, sizeof(noise)) < 0)
            _exit(FAILED_EXIT);
    } else if (strcmp(word, "wrong") == 0) {
        send_empty(CONTROL_START_GO);
    } else if (strcmp(word, "flood") == 0) {
        send_states();
    } else if (strncmp(word, "hang=", 5) == 0) {
        pulse_enter(fake.pulse, (enum pulse_phase)atoi(word + 5));
        note("hangs");
        for (;;)
            pause();
    } else if (strcmp(word, "checkpoint") == 0) {
        send_checkpoint();
    } else if (strcmp(word, "reload") == 0) {
        send_admin(CONTROL_ADMIN_RELOAD, "");
    } else if (strcmp(word, "worker") == 0) {
        serve_until(CONTROL_WORKER, true);
    } else if (strncmp(word, "bad=", 4) == 0) {
        send_worker_bad("main", (uint32_t)atoi(word + 4));
    } else if (strncmp(word, "retry=", 6) == 0) {
        send_admin(CONTROL_ADMIN_RETRY_LOGIN, word + 6);
    } else {
        note("unknown word %s", word);
        _exit(FAILED_EXIT);
    }
}

/* How often this name has started, by the log. */
static size_t
count_starts(void)
{
    char path[600], line[LINE_LEN], wanted[100];
    size_t n = 0;
    FILE *log;

    snprintf(path, sizeof(path), "%s/log", fake.folder);
    snprintf(wanted, sizeof(wanted), "%s began", fake.name);
    log = fopen(path, "r");
    while (log && fgets(line, sizeof(line), log))
        n += strncmp(line, wanted, strlen(wanted)) == 0;
    if (log)
        fclose(log);
    return n;
}

static void
play(size_t start)
{
    char path[600], line[LINE_LEN];
    char *rest = line;
    FILE *script;
    char *word;

    snprintf(path, sizeof(path), "%s/script-%s", fake.folder, fake.name);
    script = fopen(path, "r");
    line[0] = '\0';
    for (size_t i = 0; script && i <= start; i++) {
        if (!fgets(line, sizeof(line), script))
            break;
    }
    while ((word = strsep(&rest, " \n"))) {
        if (word[0] != '\0')
            play_word(word);
    }
}

int
main(int argc, char **argv)
{
    struct message message = MESSAGE_INIT;
    size_t start;
    char *slash;

    /* The path we were executed by, before links: each test has its own. */
    snprintf(fake.folder, sizeof(fake.folder), "%s", (const char *)getauxval(AT_EXECFN));
    slash = strrchr(fake.folder, '/');
    if (!slash)
        return FAILED_EXIT;
    *slash = '\0';
    if (argc == 3) {
        text_copy(fake.token, sizeof(fake.token), argv[1]);
        fake.index = (uint32_t)atoi(argv[2]);
        snprintf(fake.name, sizeof(fake.name), "%s-%s", argv[1], argv[2]);
    } else {
        snprintf(fake.name, sizeof(fake.name), "front");
    }
    start = count_starts();
    note("began pid=%d", (int)getpid());
    if (channel_new(CONTROL_FD, CHANNEL_MAX_CONFIG, &fake.channel) != KS_OK ||
        channel_receive(fake.channel, &message, DENIED_TIMEOUT_MS) != KS_OK)
        return FAILED_EXIT;
    note_setup(&message);
    play(start);
    return 0;
}
