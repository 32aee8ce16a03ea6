/* SPDX-License-Identifier: Apache-2.0 */
/*
 * status_watch - the loop, the terminal and the signals
 *
 * Signals end the process in their handler, which does nothing but give the terminal back: the
 * library may be waiting for an answer for seconds, and nobody wants to wait for that with it.
 */
#include "client/cli/status_watch.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <time.h>

#include "base/clock.h"
#include "client/cli/status_view.h"

#define ANSWER_MS 2000 /* how long one look waits, unless --timeout says otherwise */

/* A screen of its own, no cursor, long lines cut; and all that back. */
#define ENTER_SCREEN "\033[?1049h\033[?25l\033[?7l"
#define LEAVE_SCREEN "\033[?7h\033[?25h\033[?1049l"
#define HOME "\033[H"
#define CLEAR_LINE "\033[K"
#define CLEAR_REST "\033[J"

struct watch {
    struct cli *cli;
    uint32_t period_ms;
    bool screen;
    struct status_look before, now;
    char note[128];    /* of the last restart; empty: none was seen */
    char trouble[512]; /* why there is no answer; empty: there is one */
};

static volatile sig_atomic_t on_screen;

static ks_err look(struct watch *watch, struct ks_error *error);
static void see(struct watch *watch);
static int show(struct watch *watch);
static int draw(const struct cli *cli, const char *text);
static int print_block(const struct cli *cli, const char *text);
static void sleep_until(uint64_t at_ms);
static void take_signals(void);

int
status_watch(struct cli *cli, uint32_t period_ms)
{
    struct watch watch = {.cli = cli, .period_ms = period_ms, .screen = isatty(STDOUT_FILENO)};
    struct ks_client *client = cli_client(cli);
    uint64_t next_ms = clock_mono_ms();
    struct ks_error error;
    int code;

    if (!client)
        return cli->code;
    if (cli->timeout_ms == 0)
        ks_client_set_timeout(client, ANSWER_MS);
    take_signals();
    if (look(&watch, &error))
        return output_error(cli, &error);
    if (watch.screen) {
        on_screen = 1;
        code = print_block(cli, ENTER_SCREEN);
    } else {
        code = KS_OK;
    }
    while (!code) {
        code = show(&watch);
        next_ms += period_ms;
        if (next_ms < clock_mono_ms())
            next_ms = clock_mono_ms();
        sleep_until(next_ms);
        see(&watch);
    }
    status_look_deinit(&watch.before);
    status_look_deinit(&watch.now);
    return code;
}

/* --- looking --- */

static ks_err
look(struct watch *watch, struct ks_error *error)
{
    struct status_look now = {.at_ms = clock_mono_ms()};
    ks_err err = ks_status(watch->cli->client, &now.status, error);

    if (!err && now.status->administrator)
        err = ks_metrics(watch->cli->client, &now.metrics, error);
    /* The rules may have changed between the two. */
    if (err == KS_ERR_DENIED && now.status)
        err = KS_OK;
    if (err) {
        status_look_deinit(&now);
        return err;
    }
    status_look_deinit(&watch->before);
    watch->before = watch->now;
    watch->now = now;
    return KS_OK;
}

static void
see(struct watch *watch)
{
    char now[CLOCK_TEXT_LEN];
    struct ks_error error;

    if (look(watch, &error)) {
        snprintf(watch->trouble, sizeof(watch->trouble), "%s: %.400s", ks_err_name(error.code),
                 error.message);
        return;
    }
    watch->trouble[0] = '\0';
    if (!status_view_restarted(&watch->before, &watch->now))
        return;
    clock_text(clock_wall_us(), now);
    snprintf(watch->note, sizeof(watch->note), "the service was restarted; seen %.19sZ", now);
}

/* --- showing --- */

static int
show(struct watch *watch)
{
    ks_auto(freep) char *state = status_view_rates(&watch->before, &watch->now);
    ks_auto(freep) char *text = NULL;
    char now[CLOCK_TEXT_LEN];
    bool trouble = watch->trouble[0] != '\0';

    clock_text(clock_wall_us(), now);
    if (!state || asprintf(&text, "%.19sZ, every %g s%s%s%s%s\n%s\n", now,
                           (double)watch->period_ms / 1000, watch->note[0] ? "; " : "", watch->note,
                           trouble ? "\nno answer, asked again: " : "", watch->trouble,
                           trouble ? "" : state) < 0)
        return output_fail(watch->cli, KS_ERR_INTERNAL, "no memory for the result");
    return watch->screen ? draw(watch->cli, text) : print_block(watch->cli, text);
}

static int
print_block(const struct cli *cli, const char *text)
{
    return fputs(text, stdout) == EOF || fflush(stdout) == EOF ? output_stdout_failed(cli) : KS_OK;
}

/* Over what stood there, line by line, so that nothing flickers; as many lines as there is room for. */
static int
draw(const struct cli *cli, const char *text)
{
    struct winsize size = {.ws_row = 0};
    char *frame = NULL;
    size_t len;
    FILE *out = open_memstream(&frame, &len);
    int code;

    if (!out)
        return output_fail(cli, KS_ERR_INTERNAL, "no memory for the result");
    (void)ioctl(STDOUT_FILENO, TIOCGWINSZ, &size);
    fputs(HOME, out);
    for (unsigned int row = 1; *text && (size.ws_row == 0 || row < size.ws_row); row++) {
        size_t length = strcspn(text, "\n");

        fprintf(out, "%.*s" CLEAR_LINE "\n", (int)length, text);
        text += length + (text[length] == '\n');
    }
    fputs(CLEAR_REST, out);
    code = fclose(out) == 0 ? print_block(cli, frame)
                            : output_fail(cli, KS_ERR_INTERNAL, "no memory for the result");
    free(frame);
    return code;
}

static void
sleep_until(uint64_t at_ms)
{
    struct timespec at = {.tv_sec = (time_t)(at_ms / 1000),
                          .tv_nsec = (long)(at_ms % 1000) * 1000000};

    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &at, NULL) == EINTR)
        ;
}

/* --- signals --- */

/* Only what a signal handler may do. */
static void
put_screen(const char *text, size_t len)
{
    if (on_screen && write(STDOUT_FILENO, text, len) < 0)
        return;
}

static void
on_end(int number)
{
    put_screen(LEAVE_SCREEN, sizeof(LEAVE_SCREEN) - 1);
    if (number == SIGINT)
        _exit(KS_OK);
    signal(number, SIG_DFL);
    raise(number);
}

static void
on_suspend(int number)
{
    int kept = errno;

    (void)number;
    put_screen(LEAVE_SCREEN, sizeof(LEAVE_SCREEN) - 1);
    raise(SIGSTOP);
    put_screen(ENTER_SCREEN, sizeof(ENTER_SCREEN) - 1);
    errno = kept;
}

static void
take_signals(void)
{
    static const int ENDS[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT};
    struct sigaction end = {.sa_handler = on_end}, suspend = {.sa_handler = on_suspend};

    for (size_t i = 0; i < ARRAY_LEN(ENDS); i++)
        sigaction(ENDS[i], &end, NULL);
    suspend.sa_flags = SA_RESTART;
    sigaction(SIGTSTP, &suspend, NULL);
}
