/* SPDX-License-Identifier: Apache-2.0 */
/*
 * doctor_device - what stands between a module and its token: a TPM's device or bus, a daemon
 *
 * tpm2-pkcs11 says CKR_GENERAL_ERROR for everything that is missing here, opencryptoki
 * CKR_FUNCTION_FAILED or CKR_HOST_MEMORY: the cause is found by looking, not by asking the module.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "client/cli/doctor_files.h"

#define SYSTEM_BUS "/run/dbus/system_bus_socket"
#define OPENCRYPTOKI_MODULE "libopencryptoki.so"
#define OPENCRYPTOKI_GROUP "pkcs11"
#define PKCSSLOTD_PID_FILE "/run/pkcsslotd.pid"

static void check_store(struct doctor *doctor, const char *token, const char *path);
static void check_tcti(struct doctor *doctor, const char *token, const char *tcti);
static void check_opencryptoki(struct doctor *doctor, const char *token);

/* The value of one environment variable of the token's processes; the last one counts. */
static const char *
variable(struct doctor *doctor, const char *token, const char *name)
{
    const struct doctor_fact *fact = NULL;
    const char *value = NULL;
    size_t len = strlen(name);

    while ((fact = doctor_fact_next(doctor, "token", fact))) {
        if (strcmp(fact->name, token) == 0 && strcmp(fact->option, "environment") == 0 &&
            strncmp(fact->value, name, len) == 0 && fact->value[len] == '=')
            value = fact->value + len + 1;
    }
    return value;
}

static void
check_module(struct doctor *doctor, const struct doctor_fact *fact)
{
    const char *slash = strrchr(fact->value, '/');
    const char *store, *tcti;

    if (strcmp(fact->option, "module") != 0)
        return;
    if (slash && strncmp(slash + 1, OPENCRYPTOKI_MODULE, strlen(OPENCRYPTOKI_MODULE)) == 0)
        check_opencryptoki(doctor, fact->name);
    store = variable(doctor, fact->name, "TPM2_PKCS11_STORE");
    if (store)
        check_store(doctor, fact->name, store);
    tcti = variable(doctor, fact->name, "TPM2_PKCS11_TCTI");
    if (tcti)
        check_tcti(doctor, fact->name, tcti);
}

void
doctor_devices(struct doctor *doctor)
{
    doctor_each_fact(doctor, "token", check_module);
}

/* --- tpm2-pkcs11 --- */

static void
check_store(struct doctor *doctor, const char *token, const char *path)
{
    struct doctor_user user = doctor_token_user(doctor, token);
    struct stat st;

    if (stat(path, &st) != 0 && errno == EACCES)
        doctor_skip(doctor, "tpm-store", "%s: %s; root sees more", path, strerror(errno));
    else if (stat(path, &st) != 0)
        doctor_wrong(doctor, KS_ERR_TOKEN_UNAVAILABLE, "tpm-store",
                     "Make the folder for the token's user, mode 0700, then keysvc token init.",
                     "token %s: TPM2_PKCS11_STORE %s: %s", token, path, strerror(errno));
    else if (!doctor_user_known(doctor, &user, "tpm-store", token, path))
        return;
    else if (!S_ISDIR(st.st_mode) || !doctor_may(&st, &user, S_IRWXO))
        doctor_wrong(doctor, KS_ERR_TOKEN_UNAVAILABLE, "tpm-store",
                     "chown the folder and all in it to the token's user.",
                     "token %s: uid %u cannot use %s (owner %u, mode %03o)", token, user.uid, path,
                     st.st_uid, st.st_mode & 0777);
    else
        doctor_fine(doctor, "tpm-store", "token %s: %s belongs to its user", token, path);
}

static void
check_tpm_device(struct doctor *doctor, const char *token, const char *path)
{
    struct doctor_user user = doctor_token_user(doctor, token);
    struct stat st;

    if (stat(path, &st) != 0)
        doctor_wrong(doctor, KS_ERR_TOKEN_UNAVAILABLE, "tpm",
                     "Is there a TPM, and is it switched on in the firmware? See "
                     "TPM2_PKCS11_TCTI of the token's section.",
                     "token %s: %s: %s", token, path, strerror(errno));
    else if (!user.is_unknown && !doctor_may(&st, &user, S_IROTH | S_IWOTH))
        doctor_wrong(doctor, KS_ERR_TOKEN_UNAVAILABLE, "tpm",
                     "Name the device's group (tss) in `groups` of the profile.",
                     "token %s: uid %u may not open %s (group %u, mode %03o)", token, user.uid,
                     path, st.st_gid, st.st_mode & 0777);
    else
        doctor_fine(doctor, "tpm", "token %s: %s is there", token, path);
    if (strncmp(path, "/dev/tpm", strlen("/dev/tpm")) == 0 && !strstr(path, "/dev/tpmrm"))
        doctor_note(doctor, "tpm", "Use /dev/tpmrm0, or tpm2-abrmd.",
                    "token %s: %s has no resource manager: the third key in use fails", token,
                    path);
}

/* NULL: somebody listens. */
static const char *
cannot_connect(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    ks_auto(closep) int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    if (fd < 0 || !text_copy(address.sun_path, sizeof(address.sun_path), path))
        return "its path is too long";
    if (connect(fd, (const struct sockaddr *)&address, sizeof(address)) == 0 || errno == EAGAIN)
        return NULL;
    return strerror(errno);
}

/* The socket of a D-Bus address, "unix:path=/run/x,guid=1"; false: not of that kind. */
static bool
bus_path(const char *address, char *out, size_t cap)
{
    static const char UNIX_PATH[] = "unix:path=";
    int len;

    if (strncmp(address, UNIX_PATH, strlen(UNIX_PATH)) != 0)
        return false;
    address += strlen(UNIX_PATH);
    len = (int)strcspn(address, ",;");
    return len > 0 && (size_t)snprintf(out, cap, "%.*s", len, address) < cap;
}

static void
check_bus(struct doctor *doctor, const char *token, const char *tcti)
{
    bool session = strstr(tcti, "bus_type=session") != NULL;
    const char *name = session ? "DBUS_SESSION_BUS_ADDRESS" : "DBUS_SYSTEM_BUS_ADDRESS";
    const char *address = variable(doctor, token, name);
    char path[1024] = SYSTEM_BUS;
    const char *why;

    if (session && !address) {
        doctor_wrong(doctor, KS_ERR_TOKEN_UNAVAILABLE, "tpm",
                     "Add DBUS_SESSION_BUS_ADDRESS to `environment` of the token's section: its "
                     "processes inherit nothing.",
                     "token %s: TPM2_PKCS11_TCTI %s, and no address of that bus", token, tcti);
        return;
    }
    if (address && !bus_path(address, path, sizeof(path))) {
        doctor_skip(doctor, "tpm", "token %s: %s %s is no path that can be looked at", token, name,
                    address);
        return;
    }
    why = cannot_connect(path);
    if (why)
        doctor_wrong(doctor, KS_ERR_TOKEN_UNAVAILABLE, "tpm",
                     "Start the bus (dbus-daemon) and on it tpm2-abrmd, or use "
                     "device:/dev/tpmrm0.",
                     "token %s: no D-Bus answers at %s: %s", token, path, why);
    else
        doctor_fine(doctor, "tpm", "token %s: a D-Bus answers at %s", token, path);
}

static void
check_tcti(struct doctor *doctor, const char *token, const char *tcti)
{
    static const char DEVICE[] = "device:";

    if (strncmp(tcti, DEVICE, strlen(DEVICE)) == 0)
        check_tpm_device(doctor, token, tcti + strlen(DEVICE));
    else if (strncmp(tcti, "tabrmd", strlen("tabrmd")) == 0)
        check_bus(doctor, token, tcti);
    else
        doctor_skip(doctor, "tpm", "token %s: TPM2_PKCS11_TCTI %s: not known to doctor", token,
                    tcti);
}

/* --- opencryptoki --- */

static bool
pkcsslotd_runs(void)
{
    FILE *file = fopen(PKCSSLOTD_PID_FILE, "re");
    long pid = 0;
    bool read;

    if (!file)
        return false;
    read = fscanf(file, "%ld", &pid) == 1 && pid > 0;
    fclose(file);
    return read && (kill((pid_t)pid, 0) == 0 || errno == EPERM);
}

static void
check_opencryptoki(struct doctor *doctor, const char *token)
{
    struct doctor_user user = doctor_token_user(doctor, token);

    if (pkcsslotd_runs())
        doctor_fine(doctor, "pkcsslotd", "token %s: opencryptoki's daemon runs", token);
    else
        doctor_wrong(doctor, KS_ERR_TOKEN_UNAVAILABLE, "pkcsslotd", "systemctl start pkcsslotd.",
                     "token %s: opencryptoki's daemon does not run (%s)", token,
                     PKCSSLOTD_PID_FILE);
    if (!doctor_user_known(doctor, &user, "pkcsslotd", token, "the group " OPENCRYPTOKI_GROUP))
        return;
    if (user.uid == 0 || doctor_in_group(&user, OPENCRYPTOKI_GROUP))
        doctor_fine(doctor, "pkcsslotd", "token %s: its user is in group %s", token,
                    OPENCRYPTOKI_GROUP);
    else
        doctor_wrong(doctor, KS_ERR_TOKEN_UNAVAILABLE, "pkcsslotd",
                     "usermod -a -G pkcs11 USER: opencryptoki looks into /etc/group, `groups` of "
                     "the profile is not enough.",
                     "token %s: uid %u (%s) is not in group %s", token, user.uid,
                     user.name[0] ? user.name : "no account", OPENCRYPTOKI_GROUP);
}
