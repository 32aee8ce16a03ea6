/* SPDX-License-Identifier: Apache-2.0 */
/*
 * output - results and errors on their way out
 */
#include "base/file.h"
#include "client/cli/output.h"

#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>

static int write_result(struct cli *cli, const void *data, size_t len);

int
output_text(struct cli *cli, const char *text)
{
    return write_result(cli, text, strlen(text));
}

/* A reader that has gone away must not end the program before it says so. */
void
output_changed(struct cli *cli)
{
    cli->changed = true;
    signal(SIGPIPE, SIG_IGN);
}

int
output_done(struct cli *cli, json_t *object, const char *format, ...)
{
    char text[512];
    va_list args;

    output_changed(cli);
    if (cli->json)
        return output_json(cli, object);
    json_decref(object);
    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    return output_text(cli, text);
}

int
output_bytes(struct cli *cli, const void *data, size_t len)
{
    if (!cli->out_file && isatty(STDOUT_FILENO))
        return output_fail(cli, KS_ERR_USAGE, "the result is binary; name a file with --out-file");
    return write_result(cli, data, len);
}

int
output_json(struct cli *cli, json_t *root)
{
    char *text = root ? json_dumps(root, JSON_INDENT(2) | JSON_PRESERVE_ORDER) : NULL;
    char *line = NULL;
    int len = text ? asprintf(&line, "%s\n", text) : -1;
    struct fault why = FAULT_INIT;
    int code;

    json_decref(root);
    free(text);
    if (len < 0) {
        fault_set(&why, "no memory for the result");
        return output_lost(cli, &why);
    }
    code = write_result(cli, line, (size_t)len);
    free(line);
    return code;
}

static int
write_result(struct cli *cli, const void *data, size_t len)
{
    struct fault why = FAULT_INIT;
    ks_err err;

    if (cli->out_file) {
        err = file_replace(cli->out_file, FILE_MODE_ALL, data, len, &why);
        return err ? output_lost(cli, &why) : KS_OK;
    }
    if (fwrite(data, 1, len, stdout) != len || fflush(stdout) != 0)
        return output_stdout_failed(cli);
    return KS_OK;
}

int
output_stdout_failed(const struct cli *cli)
{
    struct fault why = FAULT_INIT;

    fault_set(&why, "standard output: %s", strerror(errno));
    fault_hint(&why, "send it to where there is room, or use --out-file");
    return output_lost(cli, &why);
}

/* Who reads of a failure makes the change again, or goes without a key that is there. */
int
output_lost(const struct cli *cli, const struct fault *why)
{
    struct fault done = FAULT_INIT;

    if (!cli->changed)
        return output_fault(cli, KS_ERR_INTERNAL, why);
    fault_set(&done, "it is done, but its result could not be written: %s", why->text);
    fault_hint(&done, "do not do it again; look at what there is now");
    return output_fault(cli, KS_ERR_OUTCOME_UNKNOWN, &done);
}

/* --- errors --- */

json_t *
output_error_object(const struct ks_error *error)
{
    return json_pack("{s:{s:s, s:s#, s:s#, s:b}}", "error", "code", ks_err_name(error->code),
                     "message", error->message, strlen(error->message), "hint", error->hint,
                     strlen(error->hint), "retryable", error->retryable);
}

static bool
print_object(const json_t *object, FILE *out)
{
    if (object)
        json_dumpf(object, out, JSON_COMPACT | JSON_PRESERVE_ORDER);
    fputc('\n', out);
    return fflush(out) == 0 && !ferror(out);
}

/* Texts from elsewhere may hold what is not UTF-8, which JSON cannot carry. */
static void
print_error_object(const struct ks_error *error)
{
    struct ks_error plain = *error;
    json_t *object = output_error_object(error);

    if (!object) {
        for (char *c = plain.message; *c; c++)
            *c = (unsigned char)*c < 0x80 ? *c : '?';
        for (char *c = plain.hint; *c; c++)
            *c = (unsigned char)*c < 0x80 ? *c : '?';
        object = output_error_object(&plain);
    }
    if (ferror(stdout) || !print_object(object, stdout))
        (void)print_object(object, stderr);
    json_decref(object);
}

/* Its hint says where bounds are written down; a message that says what is wrong says more. */
static bool
is_filler(const struct ks_error *error)
{
    const struct err_info *info = err_info(KS_ERR_BAD_REQUEST);

    return error->code == KS_ERR_BAD_REQUEST && strcmp(error->hint, info->hint) == 0 &&
           strcmp(error->message, info->message) != 0;
}

int
output_error(const struct cli *cli, const struct ks_error *given)
{
    struct ks_error without_hint = *given;
    const struct ks_error *error = is_filler(given) ? &without_hint : given;

    without_hint.hint[0] = '\0';
    if (cli->json) {
        print_error_object(error);
        return (int)error->code;
    }
    fputs("keysvc:", stderr);
    if (cli->command)
        fprintf(stderr, " %s%s%s:", cli->command, cli->subject ? " " : "",
                cli->subject ? cli->subject : "");
    fprintf(stderr, " %s: %s", ks_err_name(error->code), error->message);
    if (error->hint[0] != '\0')
        fprintf(stderr, " (%s)", error->hint);
    fputc('\n', stderr);
    return (int)error->code;
}

int
output_fault(const struct cli *cli, ks_err err, const struct fault *why)
{
    const struct err_info *info = err_info(err);
    struct ks_error error = {.code = err, .retryable = info->retryable};

    snprintf(error.message, sizeof(error.message), "%s",
             why->text[0] != '\0' ? why->text : info->message);
    snprintf(error.hint, sizeof(error.hint), "%s", why->hint[0] != '\0' ? why->hint : info->hint);
    return output_error(cli, &error);
}

int
output_fail(const struct cli *cli, ks_err err, const char *format, ...)
{
    const struct err_info *info = err_info(err);
    struct ks_error error = {.code = err, .retryable = info->retryable};
    va_list args;

    va_start(args, format);
    vsnprintf(error.message, sizeof(error.message), format, args);
    va_end(args);
    snprintf(error.hint, sizeof(error.hint), "%s", info->hint);
    return output_error(cli, &error);
}

void
output_hex(const uint8_t *data, size_t len, char *out)
{
    for (size_t i = 0; i < len; i++)
        snprintf(out + 2 * i, 3, "%02x", data[i]);
    out[2 * len] = '\0';
}
