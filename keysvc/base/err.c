/* SPDX-License-Identifier: Apache-2.0 */
/*
 * err - the table behind err.h, one row an outcome
 */
#include "base/err.h"

#include <string.h>

/* clang-format off */
static const struct err_info ERR_INFO[KS_ERR_COUNT] = {
    [KS_OK] = {"OK", "done", "", false},
    [KS_ERR_INTERNAL] = {"INTERNAL", "an internal error", "see the log of keysvcd; please report it", false},
    [KS_ERR_USAGE] = {"USAGE", "wrong usage", "see keysvc --help and keysvc(1)", false},
    [KS_ERR_DENIED] = {"DENIED", "no rule allows this", "ask keysvc policy explain which rule is missing", false},
    [KS_ERR_NO_KEY] = {"NO_KEY", "no such key", "see keysvc key list; keys made by other tools need keysvc token rescan", false},
    [KS_ERR_EXISTS] = {"EXISTS", "the key exists already", "see keysvc key show; a further version is made by keysvc key rotate, or keysvc key import --from N", false},
    [KS_ERR_BAD_REQUEST] = {"BAD_REQUEST", "the request is malformed", "see the bounds in docs/protocol.md", false},
    [KS_ERR_TOO_LARGE] = {"TOO_LARGE", "the request is too large", "see the limits in docs/protocol.md", false},
    [KS_ERR_PURPOSE] = {"PURPOSE", "the key's purpose does not include this", "see the purpose of the key's class in keysvcd.conf", false},
    [KS_ERR_NAME_NOT_ALLOWED] = {"NAME_NOT_ALLOWED", "the key's class does not allow this name", "see names of the key's class in keysvcd.conf", false},
    [KS_ERR_TOKEN_UNAVAILABLE] = {"TOKEN_UNAVAILABLE", "the token is not available", "try again; see keysvc token list", true},
    [KS_ERR_BUSY] = {"BUSY", "the service is busy", "try again later", true},
    [KS_ERR_DEADLINE] = {"DEADLINE", "no answer within the caller's deadline", "try again with a longer --timeout", true},
    [KS_ERR_OUTCOME_UNKNOWN] = {"OUTCOME_UNKNOWN", "the change may or may not have been made", "look with keysvc key show before trying again", false},
    [KS_ERR_AUDIT_UNWRITABLE] = {"AUDIT_UNWRITABLE", "the audit record cannot be written", "make room in the audit folder; reads go on meanwhile", true},
    [KS_ERR_KEY_CHANGED] = {"KEY_CHANGED", "another key stands under this name", "get a new reference and certificate for the key", false},
    [KS_ERR_AMBIGUOUS_KEY] = {"AMBIGUOUS_KEY", "two private keys carry this label", "remove or rename one of them with the token's own tool", false},
    [KS_ERR_NO_SERVICE] = {"NO_SERVICE", "keysvcd does not answer", "is keysvcd running? see keysvc doctor", true},
    [KS_ERR_LOGIN_BLOCKED] = {"LOGIN_BLOCKED", "logging in to the token is blocked", "put the right PIN into the PIN file; if it was right, or is a credential, keysvc token retry-login", false},
    [KS_ERR_UNSUPPORTED] = {"UNSUPPORTED", "the token cannot do this", "see what it can do with keysvc token show, and `unsupported` of its profile", false},
    [KS_ERR_CERTIFICATE_REFUSED] = {"CERTIFICATE_REFUSED", "the certificate did not pass the checks", "see which check failed, and what it expected", false},
    [KS_ERR_NOT_FOUND] = {"NOT_FOUND", "there is nothing of this name", "look at the list of what there is", false},
    [KS_ERR_IN_USE] = {"IN_USE", "it is in use", "activate another certificate first", false},
    [KS_ERR_UNTRUSTED] = {"UNTRUSTED", "the agent shows another certificate than the trusted one", "compare the fingerprint on the agent's host, then keysvc-agent console trust", false},
};
/* clang-format on */

const struct err_info *
err_info(ks_err err)
{
    if ((unsigned int)err >= KS_ERR_COUNT)
        return &ERR_INFO[KS_ERR_INTERNAL];
    return &ERR_INFO[err];
}
