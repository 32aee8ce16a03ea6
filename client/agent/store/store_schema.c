/* SPDX-License-Identifier: Apache-2.0 */
/*
 * store_schema - the tables of agent.db, all of them
 *
 * Times are microseconds since 1970. Keys are named as on the token: name and version. Nothing here
 * is secret: passwords and tokens of the API stand as verifiers that take no reading back.
 *
 * Who changes this adds one to STORE_VERSION and a step at the end that makes the old one into the new one.
 */
#include "client/agent/store/store_schema.h"

/* clang-format off */
const char STORE_SCHEMA[] =
    /* `current` is what serves, `previous` where a rollback leads (NULL: nowhere); numbers are given once. */
    "CREATE TABLE identity ("
    "    name TEXT PRIMARY KEY NOT NULL,"
    "    key TEXT NOT NULL,"
    "    current INTEGER NOT NULL,"
    "    previous INTEGER,"
    "    next_number INTEGER NOT NULL,"
    "    made_us INTEGER NOT NULL,"
    "    FOREIGN KEY (name, current) REFERENCES certificate_set (identity, number) DEFERRABLE INITIALLY DEFERRED,"
    "    FOREIGN KEY (name, previous) REFERENCES certificate_set (identity, number) DEFERRABLE INITIALLY DEFERRED"
    ") STRICT, WITHOUT ROWID;"
    /* Never changed once made. kind: enum set_kind; chain: DER certificates one behind the other. */
    "CREATE TABLE certificate_set ("
    "    identity TEXT NOT NULL REFERENCES identity (name) DEFERRABLE INITIALLY DEFERRED,"
    "    number INTEGER NOT NULL,"
    "    kind INTEGER NOT NULL CHECK (kind BETWEEN 1 AND 3),"
    "    upload TEXT NOT NULL,"
    "    key_name TEXT NOT NULL,"
    "    key_version INTEGER NOT NULL,"
    "    key_type INTEGER NOT NULL,"
    "    key_purpose INTEGER NOT NULL,"
    "    public_key BLOB NOT NULL,"
    "    chain BLOB NOT NULL,"
    "    made_us INTEGER NOT NULL,"
    "    PRIMARY KEY (identity, number)"
    ") STRICT, WITHOUT ROWID;"
    /* Outlives the sets that it tells of. */
    "CREATE TABLE history ("
    "    id INTEGER PRIMARY KEY,"
    "    identity TEXT NOT NULL REFERENCES identity (name) DEFERRABLE INITIALLY DEFERRED,"
    "    at_us INTEGER NOT NULL,"
    "    who TEXT NOT NULL,"
    "    action TEXT NOT NULL,"
    "    number INTEGER NOT NULL,"
    "    kind INTEGER NOT NULL,"
    "    key_name TEXT NOT NULL,"
    "    key_version INTEGER NOT NULL,"
    "    subject TEXT NOT NULL,"
    "    sha256 TEXT NOT NULL"
    ") STRICT;"
    "CREATE INDEX history_of_identity ON history (identity, id);"
    /* Pending requests: der is the PKCS#10. */
    "CREATE TABLE csr ("
    "    id INTEGER PRIMARY KEY,"
    "    identity TEXT NOT NULL REFERENCES identity (name),"
    "    key_name TEXT NOT NULL,"
    "    key_version INTEGER NOT NULL,"
    "    subject TEXT NOT NULL,"
    "    der BLOB NOT NULL,"
    "    who TEXT NOT NULL,"
    "    made_us INTEGER NOT NULL"
    ") STRICT;"
    "CREATE INDEX csr_of_identity ON csr (identity, id);"
    /* A PKCS#12 that came through the REST interface: the key is on the token as key_name@key_version;
     * verifier: of its password, salted and memory-hard; source_sha256: of what was asked for (upload.c), empty
     * if that was before there was this column. */
    "CREATE TABLE upload ("
    "    name TEXT PRIMARY KEY NOT NULL,"
    "    key_name TEXT NOT NULL,"
    "    key_version INTEGER NOT NULL,"
    "    key_type INTEGER NOT NULL,"
    "    key_purpose INTEGER NOT NULL,"
    "    public_key BLOB NOT NULL,"
    "    alias TEXT NOT NULL,"
    "    chain BLOB NOT NULL,"
    "    verifier BLOB NOT NULL,"
    "    made_us INTEGER NOT NULL,"
    "    source_sha256 BLOB NOT NULL DEFAULT x''"
    ") STRICT, WITHOUT ROWID;"
    /* hash: SHA-256 of the token, which has 256 random bits; scopes: one a line. */
    "CREATE TABLE api_token ("
    "    id TEXT PRIMARY KEY NOT NULL,"
    "    name TEXT NOT NULL,"
    "    hash BLOB NOT NULL,"
    "    scopes TEXT NOT NULL,"
    "    made_us INTEGER NOT NULL,"
    "    expires_us INTEGER,"
    "    revoked_us INTEGER,"
    "    used_us INTEGER"
    ") STRICT, WITHOUT ROWID;";

const char *const STORE_STEPS[STORE_VERSION] = {
    [1] = "ALTER TABLE upload ADD COLUMN source_sha256 BLOB NOT NULL DEFAULT x''",
};
/* clang-format on */
