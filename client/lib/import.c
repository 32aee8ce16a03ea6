/* SPDX-License-Identifier: Apache-2.0 */
/*
 * import - a private key from a file onto a token
 *
 * The file and its password leave this process as sealed memory, beside a frame that says only what
 * they are. An attempt that surely did not leave may be made again with the same descriptors: what
 * they hold cannot change.
 */
#include "base/keyname.h"
#include "client/lib/call.h"
#include "client/lib/error.h"
#include "client/lib/key.h"
#include "client/lib/sealed.h"

#define PASSWORD_MAX 1023u /* bytes; as the service's */
#define SELECT_MAX 255u

static ks_err import_call(struct ks_client *client, const char *name,
                          const struct ks_import_request *wanted, struct response **out,
                          struct ks_error *error);
static ks_err check_wanted(const char *name, const struct ks_import_request *wanted,
                           struct ks_error *error);
static ks_err check_texts(const char *name, const struct ks_import_request *wanted,
                          struct ks_error *error);

ks_err
ks_import(struct ks_client *client, const char *name, const struct ks_import_request *wanted,
          struct ks_key *out, struct ks_error *error)
{
    ks_auto(response_freep) struct response *response = NULL;
    struct ks_key unwanted;
    ks_err err = import_call(client, name, wanted, &response, error);

    return err ? err
               : response_key(response, name, wanted->from_version + 1, out ? out : &unwanted,
                              error);
}

ks_err
ks_import_all(struct ks_client *client, const char *name, const struct ks_import_request *wanted,
              struct ks_imported **out, struct ks_error *error)
{
    ks_auto(response_freep) struct response *response = NULL;
    ks_err err = import_call(client, name, wanted, &response, error);

    return err ? err : response_imported(response, name, wanted->from_version + 1, out, error);
}

struct ks_imported *
ks_imported_free(struct ks_imported *imported)
{
    if (!imported)
        return NULL;
    for (size_t i = 0; i < imported->n_certificates; i++)
        free(imported->certificates[i].data);
    free(imported->certificates);
    free(imported);
    return NULL;
}

static ks_err
import_call(struct ks_client *client, const char *name, const struct ks_import_request *wanted,
            struct response **out, struct ks_error *error)
{
    struct request request = {.operation = OPERATION_IMPORT,
                              .import = {.name = name, .request = wanted}};
    ks_auto(sealed_deinit) struct sealed file = SEALED_INIT;
    ks_auto(sealed_deinit) struct sealed password = SEALED_INIT;
    ks_err err;

    error_clear(error);
    err = check_wanted(name, wanted, error);
    if (!err)
        err = sealed_init(&file, name, wanted->data, wanted->len, error);
    if (!err && wanted->password)
        err = sealed_init(&password, name, wanted->password, strlen(wanted->password), error);
    if (err)
        return err;
    request.fds[request.n_fds++] = file.fd;
    if (wanted->password)
        request.fds[request.n_fds++] = password.fd;
    return call_run(client, &request, out, error);
}

static ks_err
check_wanted(const char *name, const struct ks_import_request *wanted, struct ks_error *error)
{
    ks_err err;

    err = key_check_name(name, error);
    if (err)
        return err;
    if (wanted->format != KS_IMPORT_PKCS12 && wanted->format != KS_IMPORT_PKCS8)
        return error_set(error, KS_ERR_USAGE, "%s: no such format of a file to import", name);
    if (wanted->len == 0)
        return error_set(error, KS_ERR_USAGE, "%s: the file to import is empty", name);
    if (wanted->len > KS_IMPORT_MAX_LEN)
        return error_set(error, KS_ERR_TOO_LARGE, "%s: a file of %zu bytes; at most %u fit", name,
                         wanted->len, KS_IMPORT_MAX_LEN);
    if (wanted->from_version >= KEYNAME_VERSION_MAX)
        return error_set(error, KS_ERR_BAD_REQUEST, "%s: %u is not a version to go on from", name,
                         wanted->from_version);
    return check_texts(name, wanted, error);
}

static ks_err
check_texts(const char *name, const struct ks_import_request *wanted, struct ks_error *error)
{
    if (wanted->password && strnlen(wanted->password, PASSWORD_MAX + 1) > PASSWORD_MAX)
        return error_set(error, KS_ERR_TOO_LARGE, "%s: the password has more than %u bytes", name,
                         PASSWORD_MAX);
    if (wanted->select && strnlen(wanted->select, SELECT_MAX + 1) > SELECT_MAX)
        return error_set(error, KS_ERR_TOO_LARGE,
                         "%s: which key of the file is meant is said with more than %u bytes", name,
                         SELECT_MAX);
    return KS_OK;
}
