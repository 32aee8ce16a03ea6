/* SPDX-License-Identifier: Apache-2.0 */
/*
 * doctor_info - what a token says of itself and an administrator should know: PINs, memory, sessions
 */
#include "client/cli/doctor.h"
#include "client/cli/token_facts.h"

static void
check_user_pin(struct doctor *doctor, const char *token, uint64_t flags)
{
    enum token_pin pin = token_facts_user_pin(flags);

    switch (pin) {
    case TOKEN_PIN_OK:
        doctor_fine(doctor, "pin-counter", "token %s: no wrong user PIN is counted", token);
        break;
    case TOKEN_PIN_LOW:
        doctor_note(
            doctor, "pin-counter",
            "Compare the PIN file or credential with what the token wants; keysvcd logs in no more "
            "until keysvc token retry-login.",
            "token %s: a wrong user PIN was given, tries are left", token);
        break;
    case TOKEN_PIN_FINAL_TRY:
        doctor_wrong(doctor, KS_ERR_LOGIN_BLOCKED, "pin-counter",
                     "Find out the right PIN first: one more wrong one locks it. A right login "
                     "with the vendor's tool sets the counter back.",
                     "token %s: one try of the user PIN is left", token);
        break;
    default:
        doctor_wrong(doctor, KS_ERR_LOGIN_BLOCKED, "pin-counter",
                     pin == TOKEN_PIN_LOCKED
                         ? "Set a new user PIN with the SO PIN and the vendor's tool, write it "
                           "into the PIN file; a credential: where it is from, restart keysvcd, "
                           "then keysvc token retry-login."
                         : "keysvc token init sets it, or the vendor's tool.",
                     "token %s: the user PIN is %s", token, token_facts_pin_name(pin));
        break;
    }
}

static void
check_so_pin(struct doctor *doctor, const char *token, uint64_t flags)
{
    enum token_pin pin = token_facts_so_pin(flags);

    if (pin != TOKEN_PIN_OK)
        doctor_note(doctor, "pin-counter",
                    "keysvcd never uses the SO PIN; who did, and is it still the right one?",
                    "token %s: the SO PIN is %s", token,
                    pin == TOKEN_PIN_LOW ? "counted wrong at least once"
                                         : token_facts_pin_name(pin));
}

static void
check_room(struct doctor *doctor, const char *token, const struct ks_token_info *info)
{
    char text[64];

    if (info->free_private_memory == 0 || info->free_public_memory == 0)
        doctor_wrong(doctor, KS_ERR_TOKEN_UNAVAILABLE, "token-memory",
                     "Destroy versions that are not used any more: keysvc key destroy NAME@N.",
                     "token %s: no memory is left for keys", token);
    if (info->max_sessions == 0 || info->max_sessions == KS_NUMBER_UNKNOWN ||
        info->sessions == KS_NUMBER_UNKNOWN || info->sessions < info->max_sessions)
        return;
    token_facts_amount(info->sessions, info->max_sessions, text, sizeof(text));
    doctor_note(doctor, "token-sessions",
                "End other programs that use the token, or lower `workers`: a restarted worker "
                "may find no session.",
                "token %s: all its sessions are in use, %s", token, text);
}

void
doctor_info_check(struct doctor *doctor, const char *token, const struct ks_token_info *info)
{
    check_user_pin(doctor, token, info->flags);
    check_so_pin(doctor, token, info->flags);
    check_room(doctor, token, info);
}

void
doctor_info(struct doctor *doctor, struct ks_client *client, const struct ks_status *status)
{
    for (size_t i = 0; status->administrator && i < status->n_tokens; i++) {
        const char *name = status->tokens[i].name;
        struct ks_token_info *info;
        struct ks_error error;
        ks_err err = ks_token_info(client, name, &info, &error);

        /* It was ready when nobody had asked it anything yet. */
        if (err == KS_ERR_TOKEN_UNAVAILABLE && strcmp(status->tokens[i].state, "ready") == 0) {
            doctor_wrong(doctor, err, "token",
                         doctor_known_trouble(error.message, "See keysvc token list: keysvcd looks "
                                                             "for it each second."),
                         "%s was ready until it was asked: %s", name, error.message);
            continue;
        }
        if (err) {
            doctor_skip(doctor, "pin-counter", "token %s: %s: %s", name, ks_err_name(err),
                        error.message);
            continue;
        }
        doctor_info_check(doctor, name, info);
        ks_token_info_free(info);
    }
}
