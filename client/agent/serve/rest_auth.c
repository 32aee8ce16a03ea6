/* SPDX-License-Identifier: Apache-2.0 */
/*
 * rest_auth - who asks: a token, or a client's certificate
 *
 * A wrong token costs a look into the store and an answer, and locks nobody out: 256 random bits are not
 * guessed (api_token.h). What strangers could fill is the log, so each address has few lines a second.
 */
#include <openssl/x509v3.h>
#include <stdio.h>
#include <strings.h>

#include "client/agent/serve/rest_private.h"

#define SCHEME "Api-Token "
#define CN_MAX 128u

static unsigned int refuse(struct rest_call *call, const char *why);

/* The client's own name among those configured: as a DNS name, or whole as the common name. */
static const char *
configured_name(const struct agent_config *config, const X509 *certificate)
{
    X509 *borrowed = (X509 *)(uintptr_t)certificate;
    char cn[CN_MAX] = "";
    int len = X509_NAME_get_text_by_NID(X509_get_subject_name(certificate), NID_commonName, cn,
                                        sizeof(cn));

    /* One with a zero in it, or that was cut, is not what it reads as. */
    if (len < 0 || (size_t)len != strlen(cn) || (size_t)len == sizeof(cn) - 1)
        cn[0] = '\0';
    for (size_t i = 0; i < CONFIG_MAX_LIST && config->client_names[i]; i++) {
        const char *name = config->client_names[i];

        if (strcasecmp(cn, name) == 0)
            return name;
        /* With a dot in front X509_check_host() would take every name below it. */
        if (name[0] != '.' &&
            X509_check_host(borrowed, name, strlen(name),
                            X509_CHECK_FLAG_NEVER_CHECK_SUBJECT | X509_CHECK_FLAG_NO_WILDCARDS,
                            NULL) == 1)
            return name;
    }
    return NULL;
}

static unsigned int
by_certificate(struct rest_call *call)
{
    const struct agent_config *config = call->rest->config;
    const X509 *certificate = web_client_certificate(call->request);
    const char *lapsed = web_client_lapsed(call->request);
    const char *name = certificate ? configured_name(config, certificate) : NULL;
    unsigned int scopes = 0;

    if (!name)
        return refuse(call, certificate ? "a certificate of another name"
                            : lapsed    ? lapsed
                                        : "no token");
    /* A browser shows its certificate for any page that makes it ask, and says whose that is. */
    if (web_header(call->request, "Origin"))
        return refuse(call, "a certificate, for another's page");
    for (size_t i = 0; i < CONFIG_MAX_LIST && config->client_scopes[i]; i++)
        scopes |= scope_from_name(config->client_scopes[i]);
    snprintf(call->agent->who, AGENT_WHO_MAX, "certificate %.100s", name);
    return scopes;
}

unsigned int
rest_authenticate(struct rest_call *call)
{
    const char *text = web_header(call->request, "Authorization");
    struct report report = REPORT_INIT;
    struct api_token token;
    ks_err err;

    if (!text)
        return by_certificate(call);
    if (strncasecmp(text, SCHEME, strlen(SCHEME)) != 0)
        return refuse(call, "another scheme than Api-Token");
    text += strlen(SCHEME);
    text += strspn(text, " ");
    err = api_token_check(call->agent, text, &token, &report);
    if (err == KS_ERR_DENIED)
        return refuse(call, "a wrong token");
    if (err) {
        rest_fail(call, &report);
        return 0;
    }
    snprintf(call->agent->who, AGENT_WHO_MAX, "token %s (%s)", token.name, token.id);
    if (token.scopes == 0)
        rest_fail_with(call, 403, KS_ERR_DENIED, "the token has no scope");
    return token.scopes;
}

static unsigned int
refuse(struct rest_call *call, const char *why)
{
    web_log_why(call->request, why);
    web_answer_header(call->request, "WWW-Authenticate", "Api-Token");
    rest_fail_with(call, 401, KS_ERR_DENIED,
                   "a valid token is needed: Authorization: Api-Token ksa_... (keysvc-agent token "
                   "create makes one)");
    return 0;
}
