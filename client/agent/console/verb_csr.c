/* SPDX-License-Identifier: Apache-2.0 */
/*
 * verb_csr - console create-csr: a certificate signing request of each agent, D/NAME.req
 */
#include <errno.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <stdio.h>
#include <sys/stat.h>

#include "base/file.h"
#include "client/agent/console/request.h"
#include "client/agent/console/steps.h"

#define DIRECTORY_MODE 0755
#define FIELD_LEN 4096
#define TEXT_LEN 1024

static const struct {
    const char *word;
    size_t offset;
} WORDS[] = {
    {"{name}", offsetof(struct peer, name)},
    {"{host}", offsetof(struct peer, host)},
};

/* {name} and {host} become the agent's. False: it does not fit. */
static bool
fill_in(const struct peer *peer, const char *text, char *out, size_t cap)
{
    size_t len = 0;

    while (*text) {
        const char *from = text;
        size_t from_len = 1, taken = 1;

        for (size_t i = 0; i < ARRAY_LEN(WORDS); i++) {
            if (strncmp(text, WORDS[i].word, strlen(WORDS[i].word)) != 0)
                continue;
            from = (const char *)peer + WORDS[i].offset;
            from_len = strlen(from);
            taken = strlen(WORDS[i].word);
        }
        if (len + from_len >= cap)
            return false;
        memcpy(out + len, from, from_len);
        len += from_len;
        text += taken;
    }
    out[len] = '\0';
    return true;
}

static json_t *
fields_json(const struct console_options *options, const struct peer *peer)
{
    json_t *json = json_object();
    char text[FIELD_LEN];

    for (size_t i = 0; i < SUBJECT_N_FIELDS; i++) {
        if (options->subject[i] &&
            (!fill_in(peer, options->subject[i], text, sizeof(text)) ||
             json_object_set_new(json, SUBJECT_FIELD_NAMES[i], json_string(text)) != 0)) {
            json_decref(json);
            return NULL;
        }
    }
    return json;
}

static X509_REQ *
parse(const char *pem)
{
    BIO *bio = pem ? BIO_new_mem_buf(pem, -1) : NULL;
    X509_REQ *request = bio ? PEM_read_bio_X509_REQ(bio, NULL, NULL, NULL) : NULL;

    BIO_free(bio);
    ERR_clear_error();
    return request;
}

/* What this agent was asked for, its words filled in; `room` keeps the texts. */
static bool
fill_in_all(const struct console_options *options, const struct peer *peer,
            char room[static SUBJECT_N_FIELDS][FIELD_LEN], const char *out[SUBJECT_N_FIELDS])
{
    for (size_t i = 0; i < SUBJECT_N_FIELDS; i++) {
        out[i] = options->subject[i] ? room[i] : NULL;
        if (out[i] && !fill_in(peer, options->subject[i], room[i], FIELD_LEN))
            return false;
    }
    return true;
}

/* Written anew: nothing of the agent's comes with it. */
static ks_err
write_request(X509_REQ *request, const char *path, struct fault *why)
{
    BIO *bio = BIO_new(BIO_s_mem());
    ks_err err = KS_ERR_INTERNAL;
    char *data;
    long len;

    fault_set(why, "no memory for the request");
    if (bio && PEM_write_bio_X509_REQ(bio, request) == 1) {
        len = BIO_get_mem_data(bio, &data);
        err = file_replace(path, FILE_MODE_ALL, data, (size_t)len, why);
    }
    BIO_free(bio);
    return err;
}

static void
keep_request(struct job *job, const struct console_options *options, X509_REQ *request)
{
    static char room[SUBJECT_N_FIELDS][FIELD_LEN]; /* one answer at a time */
    const char *wanted[SUBJECT_N_FIELDS];
    char path[PATH_MAX], text[TEXT_LEN];
    struct fault why = FAULT_INIT;
    ks_err err;

    if (!fill_in_all(options, job->peer, room, wanted) ||
        (size_t)snprintf(path, sizeof(path), "%s/%s.req", options->directory, job->peer->name) >=
            sizeof(path)) {
        outcome_fail(&job->outcome, KS_ERR_USAGE, "the path of its file, or a field, is too long");
        return;
    }
    err = request_check(request, wanted, &why);
    if (!err)
        err = write_request(request, path, &why);
    if (err) {
        outcome_fail(&job->outcome, err, "%s", why.text);
        outcome_hint(&job->outcome, "%s", why.hint);
        return;
    }
    request_text(request, text, sizeof(text));
    outcome_field(&job->outcome, "file", json_string(path));
    outcome_field(&job->outcome, "names", json_string(text));
    outcome_done(&job->outcome, "%s: %s", path, text);
}

static void
keep(struct job *job, const struct console_options *options, const char *pem)
{
    X509_REQ *request = parse(pem);

    if (request)
        keep_request(job, options, request);
    else
        outcome_fail(&job->outcome, KS_ERR_NO_SERVICE, "its answer holds no valid request");
    X509_REQ_free(request);
}

static bool
step(struct job *job, struct exchange *answered, struct exchange_request *next)
{
    const struct console *console = job->data;

    if (job->stage++ == 0) {
        next->method = "POST";
        next->path = "csr";
        next->trust = &job->peer->trust;
        next->body = fields_json(&console->options, job->peer);
        if (next->body)
            return true;
        outcome_fail(&job->outcome, KS_ERR_USAGE, "a field of its request is too long, or no text");
        return false;
    }
    if (answered->outcome.code)
        return job_failed(job, answered);
    keep(job, &console->options, json_string_value(json_object_get(answered->answer, "csr")));
    return false;
}

int
verb_create_csr(struct console *console, struct report *report)
{
    ks_auto(work_deinit) struct work work = {0};
    ks_err err;

    if (!console->options.directory)
        return (int)report_fail(report, KS_ERR_USAGE, "--directory is missing");
    err = work_select(console, false, &work, report);
    if (err)
        return (int)err;
    if (mkdir(console->options.directory, DIRECTORY_MODE) != 0 && errno != EEXIST)
        return (int)report_fail(report, KS_ERR_USAGE, "%s: %s", console->options.directory,
                                strerror(errno));
    err = work_remember(console, &work, report);
    if (err)
        return (int)err;
    for (size_t i = 0; i < work.n_jobs; i++)
        work.jobs[i].data = console;
    work_run(console, &work, step);
    return work_end(console, &work, NULL, report);
}
