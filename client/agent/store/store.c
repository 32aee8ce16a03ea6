/* SPDX-License-Identifier: Apache-2.0 */
/*
 * store - one connection to agent.db, its version and its transactions
 *
 * WAL with synchronous=FULL: a commit is on the disk when it returns. The files of the log stay when
 * the last one closes the store, so that a disk that is full does not keep it from being opened, but
 * with nothing in them that would be played into a copy that is put in the place of agent.db.
 */
#include "client/agent/store/store.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "client/agent/store/store_schema.h"
#include "client/agent/store/store_sql.h"

#define BUSY_MS 10000 /* another process's transaction is a few writes */
#define BUSY_STEP_US 5000
/* Once it has a limit the log is also emptied by whoever is the last to close it. */
#define LIMIT_LOG "PRAGMA journal_size_limit = 4194304"
#define SIDE_FILES "with agent.db-wal and agent.db-shm beside it"

struct store {
    sqlite3 *db;
    bool in_transaction;
    char path[]; /* for messages */
};

static ks_err make_file(const char *path, struct fault *why);
static ks_err set_up(struct store *store, struct fault *why);
static ks_err write_ahead(struct store *store, struct fault *why);
static ks_err check_version(struct store *store, struct fault *why);
static ks_err bring_up(struct store *store, struct fault *why);
static ks_err write_version(struct store *store, int64_t version, struct fault *why);
static ks_err read_version(struct store *store, int64_t *out, struct fault *why);
static ks_err execute(struct store *store, const char *text, struct fault *why);

static ks_err
failed(struct store *store, struct fault *why)
{
    int code = store->db ? sqlite3_extended_errcode(store->db) : SQLITE_NOMEM;

    fault_set(why, "%s: %s", store->path,
              store->db ? sqlite3_errmsg(store->db) : sqlite3_errstr(code));
    switch (code & 0xff) { /* the rest says more of the same */
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        fault_set(why, "%s: another process has been changing it for %d s", store->path,
                  BUSY_MS / 1000);
        return KS_ERR_BUSY;
    case SQLITE_CONSTRAINT:
        return KS_ERR_EXISTS;
    case SQLITE_FULL:
    case SQLITE_IOERR:
    case SQLITE_CANTOPEN:
    case SQLITE_READONLY:
        fault_hint(why, "look at the folder's free space and rights; nothing was changed");
        return KS_ERR_INTERNAL;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
        fault_hint(
            why, "it was damaged or is another program's: stop the agent, move it away " SIDE_FILES
                 ", and put back a copy or begin anew");
        return KS_ERR_INTERNAL;
    default:
        return KS_ERR_INTERNAL;
    }
}

static void
store_closep(struct store **store)
{
    *store = store_close(*store);
}

ks_err
store_open(const char *path, struct store **out, struct fault *why)
{
    ks_auto(store_closep) struct store *store = NULL;
    size_t len = strlen(path) + 1;
    ks_err err = make_file(path, why);

    if (err)
        return err;
    store = calloc(1, sizeof(*store) + len);
    if (!store)
        return KS_ERR_INTERNAL;
    memcpy(store->path, path, len);
    if (sqlite3_open_v2(path, &store->db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL))
        return failed(store, why);
    err = set_up(store, why);
    if (!err)
        err = check_version(store, why);
    if (!err)
        *out = ks_steal(&store);
    return err;
}

/*
 * SQLite would make it with the process's umask; what it makes beside it gets this one's rights. One
 * that is there is not opened: the close would take away the locks that the connections of this
 * process's other threads hold on it.
 */
static ks_err
make_file(const char *path, struct fault *why)
{
    ks_auto(closep) int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, S_IRUSR | S_IWUSR);
    struct stat st;

    if (fd >= 0)
        return KS_OK;
    if (errno == EEXIST && lstat(path, &st) == 0) {
        if (S_ISREG(st.st_mode) && euidaccess(path, R_OK | W_OK) == 0)
            return KS_OK;
        if (!S_ISREG(st.st_mode))
            errno = S_ISLNK(st.st_mode) ? ELOOP : EINVAL;
    }
    fault_set(why, "%s: %s", path, strerror(errno));
    fault_hint(why, "look at the folder's free space and rights; it belongs to the agent's user");
    return KS_ERR_INTERNAL;
}

static ks_err
set_up(struct store *store, struct fault *why)
{
    int keep = 1;
    ks_err err;

    sqlite3_extended_result_codes(store->db, 1);
    sqlite3_limit(store->db, SQLITE_LIMIT_ATTACHED, 0);
    err = write_ahead(store, why);
    sqlite3_busy_timeout(store->db, BUSY_MS);
    if (!err)
        err = execute(store, "PRAGMA synchronous = FULL", why);
    if (!err)
        err = execute(store, "PRAGMA foreign_keys = ON", why);
    if (!err)
        err = execute(store, "PRAGMA trusted_schema = OFF", why);
    if (!err)
        err = execute(store, LIMIT_LOG, why);
    if (!err)
        sqlite3_file_control(store->db, "main", SQLITE_FCNTL_PERSIST_WAL, &keep);
    return err;
}

/* Several may be the first at once. For this alone SQLite does not wait: each has read the file. */
static ks_err
write_ahead(struct store *store, struct fault *why)
{
    uint64_t end = clock_mono_ms() + BUSY_MS;
    ks_err err;

    while ((err = execute(store, "PRAGMA journal_mode = WAL", why)) == KS_ERR_BUSY &&
           clock_mono_ms() < end)
        usleep(BUSY_STEP_US);
    return err;
}

static ks_err
check_version(struct store *store, struct fault *why)
{
    int64_t version;
    ks_err err = read_version(store, &version, why);

    if (!err && version < 0) {
        fault_set(why, "%s: of version %lld: it was damaged", store->path, (long long)version);
        return KS_ERR_INTERNAL;
    }
    if (!err && version < STORE_VERSION)
        err = bring_up(store, why);
    if (!err && version > STORE_VERSION) {
        fault_set(why, "%s: of version %lld, made by a later keysvc-agent; this one knows %d",
                  store->path, (long long)version, STORE_VERSION);
        fault_hint(why, "use the later program; or stop the agent, move it away " SIDE_FILES
                        ", and put back the copy from before it");
        return KS_ERR_UNSUPPORTED;
    }
    return err;
}

/* Another one may have done so while we waited. */
static ks_err
bring_up(struct store *store, struct fault *why)
{
    int64_t version;
    ks_err err = store_begin(store, why);

    if (err)
        return err;
    err = read_version(store, &version, why);
    if (!err && version == 0) {
        err = execute(store, STORE_SCHEMA, why);
        version = STORE_VERSION;
    }
    for (; !err && version < STORE_VERSION; version++)
        err = execute(store, STORE_STEPS[version], why);
    if (!err && version == STORE_VERSION)
        err = write_version(store, STORE_VERSION, why);
    return store_end(store, err, why);
}

static ks_err
write_version(struct store *store, int64_t version, struct fault *why)
{
    char pragma[64];

    snprintf(pragma, sizeof(pragma), "PRAGMA user_version = %lld", (long long)version);
    return execute(store, pragma, why);
}

static ks_err
read_version(struct store *store, int64_t *out, struct fault *why)
{
    ks_auto(sql_finalizep) sqlite3_stmt *statement = NULL;
    bool row = false;
    ks_err err = sql_prepare(store, "PRAGMA user_version", &statement, why);

    if (!err)
        err = sql_step(store, statement, &row, why);
    *out = row ? sqlite3_column_int64(statement, 0) : 0;
    return err;
}

struct store *
store_close(struct store *store)
{
    if (!store)
        return NULL;
    if (store->in_transaction)
        (void)sqlite3_exec(store->db, "ROLLBACK", NULL, NULL, NULL);
    sqlite3_close_v2(store->db);
    free(store);
    return NULL;
}

/* --- transactions --- */

static ks_err
execute(struct store *store, const char *text, struct fault *why)
{
    return sqlite3_exec(store->db, text, NULL, NULL, NULL) ? failed(store, why) : KS_OK;
}

ks_err
store_begin(struct store *store, struct fault *why)
{
    ks_err err = execute(store, "BEGIN IMMEDIATE", why);

    store->in_transaction = !err;
    return err;
}

static void
roll_back(struct store *store)
{
    (void)sqlite3_exec(store->db, "ROLLBACK", NULL, NULL, NULL);
    store->in_transaction = false;
}

/* A commit that could not be synced may stand whole in the log, and would count for whoever opens that
 * next. Another one takes its place there. */
static bool
write_over(struct store *store)
{
    struct fault ignored = FAULT_INIT;
    int64_t version;
    bool done;

    if (store_begin(store, &ignored))
        return false;
    done = read_version(store, &version, &ignored) == KS_OK &&
           write_version(store, version, &ignored) == KS_OK &&
           execute(store, "COMMIT", &ignored) == KS_OK;
    if (!done)
        roll_back(store);
    store->in_transaction = false;
    return done;
}

ks_err
store_end(struct store *store, ks_err err, struct fault *why)
{
    bool maybe = false;

    if (!err) {
        err = execute(store, "COMMIT", why);
        maybe = err && (sqlite3_extended_errcode(store->db) & 0xff) == SQLITE_IOERR;
    }
    if (err)
        roll_back(store);
    store->in_transaction = false;
    if (!maybe || write_over(store))
        return err;
    fault_hint(why, "whether it was changed the next start of the agent shows; look at the disk");
    return KS_ERR_OUTCOME_UNKNOWN;
}

/* --- statements --- */

void
sql_finalizep(sqlite3_stmt **statement)
{
    sqlite3_finalize(*statement);
    *statement = NULL;
}

ks_err
sql_prepare(struct store *store, const char *text, sqlite3_stmt **out, struct fault *why)
{
    return sqlite3_prepare_v2(store->db, text, -1, out, NULL) ? failed(store, why) : KS_OK;
}

ks_err
sql_bind_text(struct store *store, sqlite3_stmt *statement, int place, const char *text,
              struct fault *why)
{
    return sqlite3_bind_text(statement, place, text, -1, SQLITE_TRANSIENT) ? failed(store, why)
                                                                           : KS_OK;
}

ks_err
sql_bind_blob(struct store *store, sqlite3_stmt *statement, int place, const void *data, size_t len,
              struct fault *why)
{
    return sqlite3_bind_blob64(statement, place, data, len, SQLITE_TRANSIENT) ? failed(store, why)
                                                                              : KS_OK;
}

ks_err
sql_bind_int(struct store *store, sqlite3_stmt *statement, int place, int64_t value,
             struct fault *why)
{
    return sqlite3_bind_int64(statement, place, value) ? failed(store, why) : KS_OK;
}

ks_err
sql_step(struct store *store, sqlite3_stmt *statement, bool *row, struct fault *why)
{
    int code = sqlite3_step(statement);

    *row = code == SQLITE_ROW;
    return code == SQLITE_ROW || code == SQLITE_DONE ? KS_OK : failed(store, why);
}

ks_err
sql_run(struct store *store, sqlite3_stmt *statement, struct fault *why)
{
    bool row = true;
    ks_err err = KS_OK;

    while (!err && row)
        err = sql_step(store, statement, &row, why);
    return err;
}

int
sql_n_changed(struct store *store)
{
    return sqlite3_changes(store->db);
}

const char *
sql_text(sqlite3_stmt *statement, int column)
{
    const unsigned char *text = sqlite3_column_text(statement, column);

    return text ? (const char *)text : "";
}

bool
sql_copy(sqlite3_stmt *statement, int column, char *out, size_t cap)
{
    return text_copy(out, cap, sql_text(statement, column));
}
