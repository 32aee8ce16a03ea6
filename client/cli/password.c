/* SPDX-License-Identifier: Apache-2.0 */
/*
 * password - reading
 */
#include "client/cli/password.h"

#include <stdio.h>
#include <sys/stat.h>

#include "client/cli/secretfile.h"

static void
warn_of_readers(const struct cli *cli, const char *path, int fd)
{
    struct stat st;

    if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode) || !(st.st_mode & (S_IRWXG | S_IRWXO)))
        return;
    fprintf(stderr,
            "keysvc: %s: warning: %s has mode %03o, others than its owner can use it "
            "(chmod 0600)\n",
            cli->command, path, st.st_mode & 0777);
}

static ks_err
read_file(const struct cli *cli, const char *path, struct secret **out, struct fault *why)
{
    ks_auto(secret_freep) struct secret *secret = NULL;
    ks_auto(closep) int fd = -1;
    ks_err err = secretfile_open(path, &fd, why);

    if (err)
        return err;
    warn_of_readers(cli, path, fd);
    err = secret_new(&secret);
    if (err) {
        fault_set(why, "no memory can be locked for the password");
        fault_hint(why, "raise the limit of locked memory (ulimit -l)");
        return err;
    }
    err = secretfile_fill(fd, path, secret->text, SECRET_MAX_LEN, &secret->len, why);
    if (err)
        return err;
    if (memchr(secret->text, '\0', secret->len)) {
        fault_set(why, "%s: a password holds no NUL byte", path);
        return KS_ERR_USAGE;
    }
    *out = ks_steal(&secret);
    return KS_OK;
}

/* Both line breaks: password files come from Windows, too. */
static void
cut(struct secret *secret, size_t len)
{
    if (len > 0 && len < secret->len && secret->text[len] == '\n' && secret->text[len - 1] == '\r')
        len--;
    explicit_bzero(secret->text + len, sizeof(secret->text) - len);
    secret->len = len;
}

ks_err
password_first_line(const struct cli *cli, const char *path, struct secret **out, struct fault *why)
{
    ks_auto(secret_freep) struct secret *secret = NULL;
    const char *end;
    ks_err err = read_file(cli, path, &secret, why);

    if (err)
        return err;
    end = memchr(secret->text, '\n', secret->len);
    if (end)
        cut(secret, (size_t)(end - secret->text));
    if (secret->len == 0) {
        fault_set(why, "%s: its first line is empty", path);
        return KS_ERR_USAGE;
    }
    *out = ks_steal(&secret);
    return KS_OK;
}

ks_err
password_whole(const struct cli *cli, const char *path, struct secret **out, struct fault *why)
{
    ks_err err = read_file(cli, path, out, why);

    if (!err && (*out)->len > 0 && (*out)->text[(*out)->len - 1] == '\n')
        cut(*out, (*out)->len - 1);
    return err;
}
