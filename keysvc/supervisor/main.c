/* SPDX-License-Identifier: Apache-2.0 */
/*
 * main - keysvcd's command line
 *
 * Exit codes are those of base/err.h: 0, 2 for a wrong command line or folders that belong to
 * another user, 6 for a wrong configuration, 11 when another keysvcd is running. With --administer:
 * those of the child.
 */
#include <argp.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "base/log.h"
#include "build-config.h"
#include "supervisor/administer.h"
#include "supervisor/config.h"
#include "supervisor/facts.h"
#include "supervisor/spawn.h"
#include "supervisor/supervisor.h"

enum main_option {
    OPTION_CONFIG = 'c',
    OPTION_CHECK = 256,
    OPTION_LIBEXEC_DIR,
    OPTION_PROFILE_DIR,
    OPTION_DEBUG,
    OPTION_ADMINISTER,
    OPTION_SO_PIN_FILE,
    OPTION_PIN_FILE,
    OPTION_NEW_PIN_FILE,
    OPTION_OLD_SO_PIN_FILE,
    OPTION_FORCE,
    OPTION_FACTS,
};

struct arguments {
    struct supervisor_options supervisor;
    struct administer_request administer;
    bool check;
    bool facts;
};

/* clang-format off */
static const struct argp_option options[] = {
    {"config",       OPTION_CONFIG,       "FILE",   0, "the configuration (" KEYSVC_CONFIG_FILE ")", 0},
    {"check",        OPTION_CHECK,        NULL,     0, "read the configuration, say what is wrong with it, and exit", 0},
    {"facts",        OPTION_FACTS,        NULL,     0, "with --check: and print what it comes to, for programs", 0},
    {"libexec-dir",  OPTION_LIBEXEC_DIR,  "DIR",    0, "where keysvc-front and keysvc-token are (" KEYSVC_LIBEXEC_DIR ")", 0},
    {"profile-dir",  OPTION_PROFILE_DIR,  "DIR",    0, "where the profiles of tokens are (" KEYSVC_PROFILE_DIR ")", 0},
    {"debug",        OPTION_DEBUG,        NULL,     0, "log more", 0},
    {"administer",   OPTION_ADMINISTER,   "ACTION", 0, "init or change-pin of TOKEN, and exit", 1},
    {"so-pin-file",  OPTION_SO_PIN_FILE,  "FILE",   0, "init: the security officer's PIN", 1},
    {"old-so-pin-file", OPTION_OLD_SO_PIN_FILE, "FILE", 0, "init: the SO PIN that the token has now, if it is another one", 1},
    {"pin-file",     OPTION_PIN_FILE,     "FILE",   0, "the user PIN, instead of the configured file", 1},
    {"new-pin-file", OPTION_NEW_PIN_FILE, "FILE",   0, "change-pin: the new PIN; the file then takes the configured one's place", 1},
    {"force",        OPTION_FORCE,        NULL,     0, "init: also a token that has been initialised", 1},
    {0},
};
/* clang-format on */

static error_t parse_option(int key, char *arg, struct argp_state *state);
static int check_config(const struct arguments *arguments);
static int fail(ks_err err, const struct fault *why);
static int say(ks_err err, const struct fault *why);

static const struct argp parser = {
    .options = options,
    .parser = parse_option,
    .args_doc = "\n--administer init|change-pin TOKEN",
    .doc = "Keeps a host's private keys on its tokens and lets programs use them by the "
           "administrator's rules. Stays in the foreground.",
};

/* Links stay: who points one at the next file and reloads means that file. */
static void
make_absolute(const char **path, char **owned)
{
    ks_auto(freep) char *folder = **path == '/' ? NULL : getcwd(NULL, 0);

    if (folder && asprintf(owned, "%s/%s", folder, *path) >= 0)
        *path = *owned;
}

int
main(int argc, char **argv)
{
    struct arguments arguments = {
        .supervisor = {.config_path = KEYSVC_CONFIG_FILE,
                       .profile_dir = KEYSVC_PROFILE_DIR,
                       .libexec_dir = KEYSVC_LIBEXEC_DIR},
    };
    ks_auto(freep) char *libexec_dir = NULL;
    ks_auto(freep) char *profile_dir = NULL;
    ks_auto(freep) char *config_path = NULL;
    struct fault why = FAULT_INIT;
    int exit_code = 0;
    ks_err err;

    log_prepare();
    /* Assigned, not defined: a definition of ours would be hidden from libc. */
    argp_program_version = "keysvcd " KEYSVC_VERSION;
    argp_err_exit_status = KS_ERR_USAGE;
    argp_parse(&parser, argc, argv, 0, NULL, &arguments);
    log_init("keysvcd", arguments.supervisor.debug ? LOG_LEVEL_DEBUG : LOG_LEVEL_INFO);
    if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0)
        log_warning("error=\"cannot forbid core files and tracing\"");
    /* A child works in the root folder, so a relative path would not lead it to its program. */
    make_absolute(&arguments.supervisor.config_path, &config_path);
    make_absolute(&arguments.supervisor.profile_dir, &profile_dir);
    make_absolute(&arguments.supervisor.libexec_dir, &libexec_dir);
    if (arguments.check)
        return check_config(&arguments);
    if (arguments.administer.action != ADMINISTER_NONE) {
        err = administer_run(&arguments.supervisor, &arguments.administer, &exit_code, &why);
        return err ? say(err, &why) : exit_code;
    }
    err = supervisor_run(&arguments.supervisor, &why);
    return err ? fail(err, &why) : KS_OK;
}

static error_t
parse_option(int key, char *arg, struct argp_state *state)
{
    struct arguments *arguments = state->input;

    switch (key) {
    case OPTION_CONFIG:
        arguments->supervisor.config_path = arg;
        break;
    case OPTION_CHECK:
        arguments->check = true;
        break;
    case OPTION_FACTS:
        arguments->facts = true;
        break;
    case OPTION_LIBEXEC_DIR:
        arguments->supervisor.libexec_dir = arg;
        break;
    case OPTION_PROFILE_DIR:
        arguments->supervisor.profile_dir = arg;
        break;
    case OPTION_DEBUG:
        arguments->supervisor.debug = true;
        break;
    case OPTION_ADMINISTER:
        arguments->administer.action = administer_action_from_name(arg);
        if (arguments->administer.action == ADMINISTER_NONE)
            argp_error(state, "--administer takes init or change-pin, not \"%s\"", arg);
        break;
    case OPTION_SO_PIN_FILE:
        arguments->administer.so_pin_file = arg;
        break;
    case OPTION_OLD_SO_PIN_FILE:
        arguments->administer.old_so_pin_file = arg;
        break;
    case OPTION_PIN_FILE:
        arguments->administer.pin_file = arg;
        break;
    case OPTION_NEW_PIN_FILE:
        arguments->administer.new_pin_file = arg;
        break;
    case OPTION_FORCE:
        arguments->administer.force = true;
        break;
    case ARGP_KEY_ARG:
        if (arguments->administer.token)
            return ARGP_ERR_UNKNOWN;
        arguments->administer.token = arg;
        break;
    case ARGP_KEY_END:
        if ((arguments->administer.action != ADMINISTER_NONE) !=
            (arguments->administer.token != NULL))
            argp_error(state, "--administer and the name of a token belong together");
        break;
    default:
        return ARGP_ERR_UNKNOWN;
    }
    return 0;
}

static void
tell_mistake(const char *text)
{
    fprintf(stderr, "%s\n", text);
}

static void
tell_warning(const char *text)
{
    fprintf(stderr, "warning: %s\n", text);
}

/* For people and for `keysvc doctor`: each mistake is a line with its file and line. */
static int
check_config(const struct arguments *arguments)
{
    struct fault why = FAULT_INIT;
    struct config *config = NULL;
    ks_err err = config_check(arguments->supervisor.config_path, arguments->supervisor.profile_dir,
                              spawn_can_switch_users(), tell_mistake, &config, &why);

    if (err)
        return (int)err;
    config_warn(config, tell_warning);
    puts("OK");
    if (arguments->facts)
        facts_print(stdout, config);
    config_free(config);
    return 0;
}

static int
fail(ks_err err, const struct fault *why)
{
    const char *hint = why->hint[0] != '\0' ? why->hint : err_info(err)->hint;

    log_error("event=end outcome=%s error=\"%s\" hint=\"%s\"", err_info(err)->name,
              LOG_TEXT(why->text), hint);
    return (int)err;
}

/* --administer is for a person, and for `keysvc token init`: no line of the log, but the form in
 * which keysvc-token says its own outcome. */
static int
say(ks_err err, const struct fault *why)
{
    fprintf(stderr, "keysvcd: %s%s%s\n", why->text[0] != '\0' ? why->text : err_info(err)->message,
            why->hint[0] != '\0' ? "; " : "", why->hint);
    return (int)err;
}
