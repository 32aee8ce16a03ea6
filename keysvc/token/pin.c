/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pin - reading PINs
 */
#include "token/pin.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "base/ask.h"

static ks_err settle(struct secret *pin, ssize_t len, struct fault *why);
static ks_err ask(bool on_terminal, const char *prompt, struct secret **out, struct fault *why);
static ks_err read_input(struct secret **out, struct fault *why);
static ssize_t read_line(int fd, char *out, size_t cap);

ks_err
pin_read(int fd, struct secret **out, struct fault *why)
{
    ks_auto(secret_freep) struct secret *pin = NULL;
    ssize_t len;
    ks_err err;

    err = secret_new(&pin);
    if (err) {
        fault_set(why, "no locked memory for the PIN: %m");
        return err;
    }
    do
        len = pread(fd, pin->text, PIN_MAX + 2, 0);
    while (len < 0 && errno == EINTR);
    err = settle(pin, len, why);
    if (!err)
        *out = ks_steal(&pin);
    return err;
}

static ks_err
settle(struct secret *pin, ssize_t len, struct fault *why)
{
    if (len < 0) {
        fault_set(why, "the PIN cannot be read: %m");
        return KS_ERR_BAD_REQUEST;
    }
    if (len > 0 && pin->text[len - 1] == '\n')
        len--;
    if (len < 1 || len > PIN_MAX || memchr(pin->text, '\0', (size_t)len)) {
        fault_set(why, "this is not a PIN of 1 to %d bytes", PIN_MAX);
        return KS_ERR_BAD_REQUEST;
    }
    pin->len = (size_t)len;
    pin->text[len] = '\0';
    return KS_OK;
}

ks_err
pin_get(int fd, const char *prompt, bool twice, struct secret **out, struct fault *why)
{
    ks_auto(secret_freep) struct secret *first = NULL;
    ks_auto(secret_freep) struct secret *second = NULL;
    ks_auto(closep) int terminal = -1;
    char probe;
    ks_err err;

    if (pread(fd, &probe, 1, 0) == 1) {
        explicit_bzero(&probe, sizeof(probe));
        err = pin_read(fd, out, why);
        if (err)
            fault_prefix(why, "%s", prompt);
        return err;
    }
    terminal = open("/dev/tty", O_RDWR | O_NOCTTY | O_CLOEXEC);
    err = ask(terminal >= 0, prompt, &first, why);
    if (!err && twice && terminal >= 0) {
        err = ask(true, "Once more", &second, why);
        if (!err &&
            (first->len != second->len || memcmp(first->text, second->text, first->len) != 0)) {
            fault_set(why, "%s: the two are not the same", prompt);
            err = KS_ERR_USAGE;
        }
    }
    if (!err)
        *out = ks_steal(&first);
    return err;
}

static ks_err
ask(bool on_terminal, const char *prompt, struct secret **out, struct fault *why)
{
    ks_auto(secret_freep) struct secret *pin = NULL;
    ks_err err = on_terminal ? ask_secret(prompt, &pin, why) : read_input(&pin, why);

    if (!err)
        err = settle(pin, pin ? (ssize_t)pin->len : 0, why);
    if (err)
        fault_prefix(why, "%s", prompt);
    else
        *out = ks_steal(&pin);
    return err;
}

static ks_err
read_input(struct secret **out, struct fault *why)
{
    ks_auto(secret_freep) struct secret *pin = NULL;
    ssize_t len;
    ks_err err = secret_new(&pin);

    if (err) {
        fault_set(why, "no locked memory for the PIN: %m");
        return err;
    }
    len = read_line(STDIN_FILENO, pin->text, PIN_MAX + 2);
    if (len < 0) {
        fault_set(why, "the PIN cannot be read: %m");
        return KS_ERR_BAD_REQUEST;
    }
    pin->len = (size_t)len;
    *out = ks_steal(&pin);
    return KS_OK;
}

/* Byte by byte: what follows the line is for the next question. */
static ssize_t
read_line(int fd, char *out, size_t cap)
{
    size_t len = 0;

    while (len < cap) {
        ssize_t n = read(fd, out + len, 1);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -1;
        if (n == 0 || out[len++] == '\n')
            break;
    }
    return (ssize_t)len;
}
