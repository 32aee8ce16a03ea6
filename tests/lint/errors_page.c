/* SPDX-License-Identifier: Apache-2.0 */
/*
 * errors_page - prints docs/errors.md from the tables of the code
 *
 * Names, numbers, sentences, hints and what may be tried again come from base/err.c, the PKCS#11
 * values from token/ckr.c. Here stands only what no program needs: when an error comes, and an
 * example. The check errors_page compares; `ninja errors-page` writes.
 */
#include <stdio.h>

#include "base/err.h"
#include "token/ckr.h"

struct story {
    const char *when;    /* sentences for an administrator */
    const char *done;    /* what to do, more than the hint says */
    const char *command; /* an example: what was done to what, */
    const char *message; /* and what was wrong */
    const char *hint;    /* as the program says it; NULL: the table's */
};

static const struct story STORY[KS_ERR_COUNT] = {
    [KS_OK] = {"It was done.", "Nothing.", NULL, NULL, NULL},
    [KS_ERR_INTERNAL] = {"Something that should not happen: no memory, a descriptor that cannot be "
                         "passed, a result "
                         "that cannot be written, a process that answered nonsense.",
                         "The message names the place. The log of keysvcd (`journalctl -u "
                         "keysvcd`) has the line that belongs to it, with the same request id.",
                         "key show web/shop", "/nonexistent/x: No such file or directory",
                         "look at the folder's rights and free space"},
    [KS_ERR_USAGE] = {"The command line, or a call of the library, cannot be meant so: an unknown "
                      "option, an algorithm of another "
                      "type of key, an input file that cannot be read. Nothing was sent. `key "
                      "destroy` without `--yes` ends so, too.",
                      "Mend the command; `keysvc COMMAND --help` has its options.",
                      "key rotate web/shop", "--from N is missing", "see keysvc key rotate --help"},
    [KS_ERR_DENIED] = {"No `allow` section of keysvcd.conf gives this caller this operation on "
                       "this key. Root is nobody special.",
                       "`keysvc policy explain --key NAME --operation O` says what each rule lacks "
                       "and prints the one that is missing; "
                       "then `keysvc reload`.",
                       "sign web/shop",
                       "uid 1000 may not get web/shop: no rule allows it; the nearest, nginx, is "
                       "not for uid 1000",
                       "add to keysvcd.conf: allow uid-1000-get { user = {1000}  keys = "
                       "{\"web/shop\"}  operations = {get} }"},
    [KS_ERR_NO_KEY] = {"No key of this name, or no such version, is in the directory; or there is "
                       "no certificate beside it.",
                       "Look at `keysvc key list`. A key that another tool made appears after "
                       "`keysvc token rescan TOKEN`, and a foreign label needs a section `key`.",
                       "sign web/nothing", "no key web/nothing", NULL},
    [KS_ERR_EXISTS] = {"`key generate` and `key import` of a name that is taken, or `--from N` "
                       "where N is not the newest version any more. Nothing was changed.",
                       "Look at `keysvc key show NAME`: perhaps somebody else did what you wanted.",
                       "key generate web/shop",
                       "key web/shop exists on token main; its newest version is 1", NULL},
    [KS_ERR_BAD_REQUEST] = {"Something in the request cannot be: a name that is none, a "
                            "certificate of another key, a damaged file, a wrong "
                            "password of an import, a type that is not the class's.",
                            "The message says which part. For imports: try the file with `openssl "
                            "pkcs12 -info -noout -in F` and its password.",
                            "key generate web/shop",
                            "keys of the class \"web/**\" are ec-p256, not rsa-2048",
                            "leave the type out, or change the class in keysvcd.conf"},
    [KS_ERR_TOO_LARGE] =
        {"Larger than a limit: a message of 1 MiB for a key that signs no digests, an import of "
         "256 KiB, 1,000 alternative names, 16 certificates.",
         "Sign a digest (`--prehashed`, keys of purpose sign), or make less of it.",
         "key import web/shop", "backup.p12: more than 262144 bytes", NULL},
    [KS_ERR_PURPOSE] = {"The class's purpose does not sign such data: a TLS key signs handshakes, "
                        "and neither files nor digests.",
                        "Use a key of purpose sign. What each purpose signs: docs/purposes.md.",
                        "sign tls/shop",
                        "purpose tls-server: the message is neither a TLS 1.3 CertificateVerify "
                        "nor a TLS 1.2 ServerKeyExchange",
                        "what is no TLS handshake needs a key of purpose sign"},
    [KS_ERR_NAME_NOT_ALLOWED] =
        {"A common name or alternative name that `names` of the class does not list; a class "
         "without `names` makes no requests at all.",
         "Ask for other names, or add the name to the class and `keysvc reload`.", "csr web/shop",
         "keys \"web/**\" does not allow the common name bank.example",
         "the option `names` of this section of keysvcd.conf says what is allowed"},
    [KS_ERR_TOKEN_UNAVAILABLE] =
        {"The token is absent, its process is being restarted, or its module failed. Nothing was "
         "changed, and the library tries again by itself within `--timeout`.",
         "`keysvc token list` says why; `keysvc doctor` looks at device, daemon, folder and "
         "module. The values of PKCS#11 are below.",
         "sign web/shop", "token main is not ready (absent)", NULL},
    [KS_ERR_BUSY] = {"A queue or this caller's quota is full, or the configuration is just being "
                     "read again. The library tries again by itself within `--timeout`.",
                     "Ask less at a time. If it stays so: `keysvc status` shows the queues, "
                     "keysvcd.conf has the limits (`rate`, `max-...`).",
                     "sign web/shop", "rule nginx allows uid 33 500 operations a second", NULL},
    [KS_ERR_DEADLINE] =
        {"The time of the caller (`--timeout`, 30 seconds if not given) was over before an answer "
         "came. A signature may still have been made and recorded.",
         "Give more time; key generation with RSA can take minutes on a smart card.",
         "sign web/shop", "no answer from keysvcd in time", NULL},
    [KS_ERR_OUTCOME_UNKNOWN] = {"A change was sent and its end was not seen: the connection, the "
                                "process or the time was lost on the way. It is never sent twice. "
                                "Or it was made, and its result could not be written: the "
                                "message says which.",
                                "`keysvc key show NAME` (or `key certificate NAME get`) says "
                                "whether it was made. Then do it again or not.",
                                "key generate web/shop",
                                "generate was sent and may have been done: the connection was lost",
                                NULL},
    [KS_ERR_AUDIT_UNWRITABLE] =
        {"The record of the operation cannot be written: the disk is full, or the file's "
         "descriptor failed. Without a record nothing is signed or changed.",
         "Make room in `audit-dir`, or mend its rights; it goes on by itself.", "sign web/shop",
         "the audit of token main cannot be written: No space left on device", NULL},
    [KS_ERR_KEY_CHANGED] = {"Under the label stands another key than the one the caller named by "
                            "its public key: somebody replaced it, or restored an old token.",
                            "Find out who did it (`keysvc audit show`). Then get a new certificate "
                            "for the key that is there.",
                            "sign web/shop",
                            "web/shop@1 on token main is another key than the one that is meant",
                            NULL},
    [KS_ERR_AMBIGUOUS_KEY] =
        {"Two private keys on the token carry this label, so that nobody knows which one is meant. "
         "Neither is used, destroyed or given a certificate. So it is when two tokens of a group "
         "show different keys under one label, the message names both; but who names the public "
         "key, as a signature by a reference does, has it used where it is.",
         "Tell them apart by their IDs (`pkcs11-tool --list-objects --type privkey`), remove one "
         "with `--delete-object --id`, then `keysvc token rescan TOKEN`. Of a group, take the "
         "token "
         "with the wrong key out of it, or destroy that key with the vendor's tools.",
         "sign web/shop@1", "two private keys on token main are called web/shop@1: neither is used",
         NULL},
    [KS_ERR_NO_SERVICE] = {"Nobody answers on the socket: keysvcd does not run, listens elsewhere, "
                           "or this user may not pass to it.",
                           "`keysvc doctor` looks at each folder on the way. `systemctl status "
                           "keysvcd`; `--socket`, `$KEYSVC_SOCKET`.",
                           "status", "/run/keysvc/keysvc.sock: No such file or directory", NULL},
    [KS_ERR_LOGIN_BLOCKED] =
        {"A login failed, was cut short, or the token reports that few tries are left. Nothing "
         "logs in any more, so that a wrong PIN costs one try.",
         "Put the right PIN into the PIN file: keysvcd sees it. A credential (`pin-credential`): "
         "put it where `LoadCredential=` takes it from, restart keysvcd, then `keysvc token "
         "retry-login TOKEN`. Only if the PIN was right: `keysvc "
         "token retry-login TOKEN` alone.",
         "sign web/shop",
         "token main is not ready (login-blocked): C_Login: CKR_PIN_INCORRECT (0xa0)", NULL},
    [KS_ERR_UNSUPPORTED] = {"The token has no such mechanism, type of key or act, by what its "
                            "profile says or by what it answered; the message names both.",
                            "Use another type or algorithm, or another token for the class.",
                            "key generate tpm/shop",
                            "token tpm cannot do ed25519: its profile tpm2-pkcs11 says so", NULL},
    [KS_ERR_CERTIFICATE_REFUSED] =
        {"keysvc-agent was given a certificate that is not this identity's, not from that CA, not "
         "valid now or not for servers. Nothing was changed.",
         "The report lists every check with what was expected and what was found.",
         "$ keysvc-agent certificate-apply --ca-file ca.crt --file AGENT01.crt",
         "{\"error\": {\"code\": \"CERTIFICATE_REFUSED\", \"message\": \"key: another public key, "
         "of "
         "SHA-256 34295d...\", \"hint\": \"was it made from an older request, or another host's? "
         "certificate-create-csr makes one for the current key\", \"retryable\": false, "
         "\"checks\": "
         "[...]}}",
         NULL},
    [KS_ERR_NOT_FOUND] =
        {"keysvc-agent knows no identity, uploaded certificate, token of its API "
         "or agent of this name.",
         "`certificate-status`, `token list`, `console list` and the REST "
         "interface's `list` show what there is.",
         "$ keysvc-agent certificate-status --identity shop",
         "{\"error\": {\"code\": \"NOT_FOUND\", \"message\": \"there is no identity "
         "shop\", \"hint\": \"keysvc-agent identity-list shows those that are there; "
         "the first start of keysvc-agent run makes \\\"agent\\\"\", \"retryable\": "
         "false}}",
         NULL},
    [KS_ERR_IN_USE] =
        {"An uploaded certificate that is active can be neither replaced nor "
         "deleted.",
         "Activate another one, or go back with `certificate-apply-self-signed`.",
         "$ curl ... -X DELETE https://web1.example:9999/e/default/api/v1/certificate/shop",
         "shop is active; activate another one first", NULL},
    [KS_ERR_UNTRUSTED] =
        {"An agent showed a certificate that is not the one the console trusts, "
         "or that one has expired. It was not spoken to.",
         "On the agent's host, compare the fingerprint that `certificate-status` "
         "shows; only if it is the same, `console trust`.",
         "$ keysvc-agent console status AGENT01",
         "AGENT    STATUS     SUBJECT  ISSUER       NOT AFTER             DETAILS\n"
         "AGENT01  untrusted  CN=web1  self-signed  2027-11-22T14:13:31Z  "
         "UNTRUSTED: its certificate changed: it shows sha256 34295d..., trusted "
         "is 0e90d7...",
         NULL},
};

static const struct {
    const char *name, *meaning;
} ACTION[] = {
    [CKR_ACTION_NONE] = {"none", "success"},
    [CKR_ACTION_LOGIN] = {"log in", "the process logs in again and tries once more"},
    [CKR_ACTION_REOPEN] = {"reopen",
                           "it opens a new session, finds its keys again and tries once more"},
    [CKR_ACTION_FIND] = {"find", "it finds the key again and tries once more"},
    [CKR_ACTION_RESTART] = {"restart", "the process ends and keysvcd starts a new one"},
    [CKR_ACTION_ABSENT] = {"absent", "the token is not there; it is looked for again and again"},
    [CKR_ACTION_BLOCKED] = {"blocked", "the PIN was refused and is not tried again"},
    [CKR_ACTION_UNSUPPORTED] = {"unsupported",
                                "this token does not do this; asking again changes nothing"},
    [CKR_ACTION_REFUSED] = {"refused", "for this request only"},
};

static const char INTRODUCTION[] =
    "<!-- Printed by tests/lint/errors_page.c from keysvc/base/err.c and keysvc/token/ckr.c; "
    "`ninja errors-page` writes it. -->\n"
    "# Errors\n\n"
    "One table for the wire, the exit codes of `keysvc`, JSON and the library (`KS_ERR_...`). On "
    "the command line an error is one\n"
    "line on standard error: what was done to what, the name, what went wrong, and in parentheses "
    "what to do next. With `--json` it is an\n"
    "object on standard output (on standard error, where that takes no more): "
    "`{\"error\":{\"code\",\"message\",\"hint\",\"retryable\"}}`; "
    "`keysvc-agent` always prints that object, on standard error. The "
    "numbers never change.\n\n";

static void
print_table(void)
{
    printf("| code | name | meaning | again? |\n| --- | --- | --- | --- |\n");
    for (unsigned int err = 0; err < KS_ERR_COUNT; err++) {
        const struct err_info *info = err_info((ks_err)err);

        printf("| %u | %s | %s | %s |\n", err, info->name, info->message,
               err == KS_OK      ? ""
               : info->retryable ? "yes"
                                 : "no");
    }
    printf("\nThe code is the exit code and the number on the wire. \"Again\": the same request "
           "may succeed later, unchanged.\n");
}

static void
print_error(ks_err err)
{
    const struct err_info *info = err_info(err);
    const struct story *story = &STORY[err];

    printf("\n## %s (%u)\n\n%s\n\n", info->name, (unsigned int)err, story->when);
    /* The agent's commands print objects, its console a table, its REST interface a line. */
    if (err >= KS_ERR_CERTIFICATE_REFUSED)
        printf("```\n%s\n%s\n```\n\n", story->command, story->message);
    else
        printf("```\nkeysvc: %s: %s: %s (%s)\n```\n\n", story->command, info->name, story->message,
               story->hint ? story->hint : info->hint);
    printf("**What to do.** %s", story->done);
    printf("%s\n", info->retryable ? " It may succeed later, unchanged." : "");
}

static void
print_row(const struct ckr_info *row, const char *name, const char *number)
{
    const struct err_info *told = err_info(row->err);

    printf("| %s | %s | %s | %s | %s |\n", name, number, ACTION[row->action].name, told->name,
           told->retryable ? "yes" : "no");
}

static void
print_ckr(void)
{
    size_t n_rows;
    const struct ckr_info *rows = ckr_table(&n_rows);

    printf("\n## Values of PKCS#11\n\n"
           "What a module answers stands in messages and in the log, \"C_Sign: CKR_DEVICE_REMOVED "
           "(0x32)\". This is what keysvcd does then, what the\n"
           "client is told if that did not help, and whether the same request may succeed later. "
           "(CKR_USER_ALREADY_LOGGED_IN from C_Login\n"
           "itself is no error.)\n\n");
    for (size_t i = 1; i < ARRAY_LEN(ACTION); i++)
        printf("- **%s**: %s\n", ACTION[i].name, ACTION[i].meaning);
    printf(
        "\n| value | number | what keysvcd does | told | again? |\n| --- | --- | --- | --- | --- "
        "|\n");
    for (size_t i = 0; i < n_rows; i++) {
        char number[32];

        snprintf(number, sizeof(number), "0x%lx", rows[i].rv);
        if (rows[i].rv != CKR_OK)
            print_row(&rows[i], rows[i].name, number);
    }
    print_row(ckr_info(CKR_VENDOR_DEFINED), "any other, a vendor's own", "");
}

/* An error without a story fails here, and with it the check. */
int
main(void)
{
    fputs(INTRODUCTION, stdout);
    print_table();
    for (unsigned int err = 1; err < KS_ERR_COUNT; err++) {
        if (!STORY[err].when || !STORY[err].message) {
            fprintf(stderr, "errors_page: %s has no story\n", err_info((ks_err)err)->name);
            return 1;
        }
        print_error((ks_err)err);
    }
    print_ckr();
    return fflush(stdout) != 0;
}
