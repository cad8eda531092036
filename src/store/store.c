#include "store/store.h"

#include "base/file.h"
#include "base/hash.h"
#include "base/memory.h"
#include "base/text.h"

#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SCHEMA_VERSION = 1, APPLICATION_ID = 0x70627431 /* "pbt1" */, BUSY_MILLISECONDS = 10000 };

/* `id` orders a listing; replacing a value keeps its place. */
static const char schema[] = "CREATE TABLE artefact ("
                             " id INTEGER PRIMARY KEY,"
                             " stage TEXT NOT NULL, seed INTEGER NOT NULL, arm TEXT NOT NULL,"
                             " kind TEXT NOT NULL, name TEXT NOT NULL,"
                             " value TEXT NOT NULL, checksum INTEGER NOT NULL,"
                             " UNIQUE (stage, seed, arm, kind, name));";

enum { PUT, GET, HAS, COUNT, CLEAR_SEED, CLEAR_ALL, DELETE, BEGIN, COMMIT, ROLLBACK, STATEMENTS };
#define WHERE_KIND " FROM artefact WHERE stage = ?1 AND seed = ?2 AND arm = ?3 AND kind = ?4"
static const char *const sql[STATEMENTS] = {
    [PUT] = "INSERT INTO artefact (stage, seed, arm, kind, name, value, checksum)"
            " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)"
            " ON CONFLICT DO UPDATE SET value = ?6, checksum = ?7",
    [GET] = "SELECT value, checksum" WHERE_KIND " AND name = ?5",
    [HAS] = "SELECT 1" WHERE_KIND " AND name = ?5",
    [COUNT] = "SELECT count(*)" WHERE_KIND,
    [CLEAR_SEED] = "DELETE FROM artefact WHERE stage = ?1 AND seed = ?2",
    [CLEAR_ALL] = "DELETE FROM artefact WHERE stage = ?1",
    [DELETE] = "DELETE FROM artefact WHERE stage = ?1 AND (?2 IS NULL OR arm = ?2)"
               " AND (?3 IS NULL OR kind = ?3) AND (?4 IS NULL OR name = ?4)",
    [BEGIN] = "BEGIN IMMEDIATE",
    [COMMIT] = "COMMIT",
    [ROLLBACK] = "ROLLBACK",
};
static const char each_sql[] = "SELECT value, checksum, name" WHERE_KIND " ORDER BY id";

struct pbt_store {
    sqlite3 *database;
    sqlite3_stmt *statements[STATEMENTS];
    char *path;
};

static pbt_code fail_sql(pbt_store *s, const char *doing, pbt_error *error) {
    int result = sqlite3_errcode(s->database);
    bool broken = result == SQLITE_CORRUPT || result == SQLITE_NOTADB || result == SQLITE_CANTOPEN;
    if (result == SQLITE_BUSY)
        return pbt_fail_at(error, PBT_FAILED, s->path, NULL,
                           "cannot %s: another program is writing to this run; wait for it or stop it",
                           doing);
    int reason = result == SQLITE_CANTOPEN ? sqlite3_system_errno(s->database) : 0;
    return pbt_fail_at(error, broken ? PBT_BAD_INPUT : PBT_FAILED, s->path, NULL, "cannot %s: %s%s%s", doing,
                       sqlite3_errmsg(s->database), reason ? ": " : "", reason ? strerror(reason) : "");
}

static pbt_code execute(pbt_store *s, const char *text, const char *doing, pbt_error *error) {
    if (sqlite3_exec(s->database, text, NULL, NULL, NULL) != SQLITE_OK) return fail_sql(s, doing, error);
    return PBT_OK;
}

static pbt_code read_integer(pbt_store *s, const char *text, int64_t *value, pbt_error *error) {
    sqlite3_stmt *statement;
    if (sqlite3_prepare_v2(s->database, text, -1, &statement, NULL) != SQLITE_OK)
        return fail_sql(s, "read the run store", error);
    bool got = sqlite3_step(statement) == SQLITE_ROW;
    *value = got ? sqlite3_column_int64(statement, 0) : 0;
    sqlite3_finalize(statement);
    return got ? PBT_OK : fail_sql(s, "read the run store", error);
}

/* An empty database becomes a run store of this version; one of another kind or a newer version is refused.
 */
static pbt_code check_schema(pbt_store *s, pbt_error *error) {
    int64_t application = 0, version = 0, tables = 0;
    PBT_TRY(read_integer(s, "PRAGMA application_id", &application, error));
    PBT_TRY(read_integer(s, "PRAGMA user_version", &version, error));
    PBT_TRY(read_integer(s, "SELECT count(*) FROM sqlite_master", &tables, error));
    if (tables == 0) {
        char text[1024];
        snprintf(text, sizeof text,
                 "BEGIN IMMEDIATE; %s PRAGMA application_id = %d; PRAGMA user_version = %d; COMMIT;", schema,
                 APPLICATION_ID, SCHEMA_VERSION);
        return execute(s, text, "create the run store", error);
    }
    if (application != APPLICATION_ID)
        return pbt_fail_at(error, PBT_BAD_INPUT, s->path, NULL,
                           "expected a run store of pbt, found a database of another program");
    if (version != SCHEMA_VERSION)
        return pbt_fail_at(error, PBT_BAD_INPUT, s->path, NULL,
                           "expected a run store of version %d, found version %lld; use the pbt that made it",
                           SCHEMA_VERSION, (long long)version);
    return PBT_OK;
}

static pbt_code prepare_statements(pbt_store *s, pbt_error *error) {
    for (int i = 0; i < STATEMENTS; i++) {
        if (sqlite3_prepare_v3(s->database, sql[i], -1, SQLITE_PREPARE_PERSISTENT, &s->statements[i], NULL) !=
            SQLITE_OK)
            return fail_sql(s, "read the run store", error);
    }
    return PBT_OK;
}

static pbt_code open_database(pbt_store *s, bool create, pbt_error *error) {
    int flags = SQLITE_OPEN_READWRITE | (create ? SQLITE_OPEN_CREATE : 0);
    if (sqlite3_open_v2(s->path, &s->database, flags, NULL) != SQLITE_OK)
        return fail_sql(s, "open the run store", error);
    sqlite3_busy_timeout(s->database, BUSY_MILLISECONDS);
    /* FULL: what a commit promised survives a power cut too, so that files named by artefacts and the
     * artefacts themselves never disagree. */
    PBT_TRY(execute(s, "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;", "open the run store", error));
    PBT_TRY(check_schema(s, error));
    return prepare_statements(s, error);
}

/* The store as a URI: what means something in one is escaped. */
static char *uri_of(const char *path, const char *query) {
    pbt_text uri = {0};
    pbt_text_add(&uri, "file:");
    for (; *path; path++) pbt_text_addf(&uri, strchr("%?#", *path) ? "%%%02X" : "%c", (unsigned char)*path);
    pbt_text_addf(&uri, "?%s", query);
    return pbt_text_take(&uri);
}

/* Without a log beside it the file is whole and nobody writes: then it is read as it is, and nothing is made
 * in its folder, which may be on read-only media. */
static pbt_code open_to_read(pbt_store *s, pbt_error *error) {
    char *log = pbt_string_format("%s-wal", s->path);
    bool logged = log && pbt_file_exists(log);
    char *uri = log ? uri_of(s->path, logged ? "mode=ro" : "immutable=1") : NULL;
    free(log);
    if (!uri) return pbt_fail_memory(error, strlen(s->path), "a path");
    int result = sqlite3_open_v2(uri, &s->database, SQLITE_OPEN_READONLY | SQLITE_OPEN_URI, NULL);
    free(uri);
    int64_t tables = 0;
    if (result == SQLITE_OK) {
        sqlite3_busy_timeout(s->database, BUSY_MILLISECONDS);
        if (read_integer(s, "SELECT count(*) FROM sqlite_master", &tables, NULL) != PBT_OK)
            result = sqlite3_errcode(s->database);
    }
    if (logged && (result == SQLITE_CANTOPEN || result == SQLITE_READONLY))
        return pbt_fail_at(error, PBT_BAD_INPUT, s->path, NULL,
                           "run.sqlite-wal beside it holds what a stopped run wrote last, and the folder "
                           "cannot be written; copy the run to where it can");
    if (result != SQLITE_OK) return fail_sql(s, "open the run store", error);
    if (tables == 0)
        return pbt_fail_at(error, PBT_BAD_INPUT, s->path, NULL,
                           "the run store is empty: the run was not begun");
    PBT_TRY(check_schema(s, error));
    return prepare_statements(s, error);
}

static pbt_code open_store(const char *run_folder, bool create, bool reads, pbt_store **store,
                           pbt_error *error) {
    if (!*run_folder) return pbt_fail(error, PBT_USAGE, "the name of the run's folder is empty");
    if (create) PBT_TRY(pbt_folder_make(run_folder, error));
    pbt_store *s = pbt_alloc(1, sizeof *s);
    if (!s) return pbt_fail_memory(error, sizeof *s, "the run store");
    s->path = pbt_path_join(run_folder, "run.sqlite");
    pbt_code code = s->path ? PBT_OK : pbt_fail_memory(error, strlen(run_folder), "a path");
    if (code == PBT_OK) code = pbt_path_look(s->path, error);
    if (code == PBT_OK && !create && !pbt_file_exists(s->path))
        code = pbt_fail_at(
            error, PBT_BAD_INPUT, s->path, NULL,
            "there is no such file: \"%s\" is not the folder of a run (start one with pbt run)", run_folder);
    if (code == PBT_OK) code = reads ? open_to_read(s, error) : open_database(s, create, error);
    if (code != PBT_OK) {
        pbt_store_close(s);
        return code;
    }
    *store = s;
    return PBT_OK;
}

pbt_code pbt_store_open(const char *run_folder, bool create, pbt_store **store, pbt_error *error) {
    return open_store(run_folder, create, false, store, error);
}

pbt_code pbt_store_open_read(const char *run_folder, pbt_store **store, pbt_error *error) {
    return open_store(run_folder, false, true, store, error);
}

void pbt_store_close(pbt_store *store) {
    if (!store) return;
    for (int i = 0; i < STATEMENTS; i++) sqlite3_finalize(store->statements[i]);
    sqlite3_close(store->database);
    free(store->path);
    free(store);
}

static pbt_code run_plain(pbt_store *s, int which, const char *doing, pbt_error *error) {
    int result = sqlite3_step(s->statements[which]);
    pbt_code code = result == SQLITE_DONE ? PBT_OK : fail_sql(s, doing, error);
    sqlite3_reset(s->statements[which]);
    return code;
}

pbt_code pbt_store_begin(pbt_store *store, pbt_error *error) {
    return run_plain(store, BEGIN, "begin a transaction", error);
}

pbt_code pbt_store_commit(pbt_store *store, pbt_error *error) {
    return run_plain(store, COMMIT, "commit to the run store", error);
}

void pbt_store_rollback(pbt_store *store) {
    if (!sqlite3_get_autocommit(store->database)) run_plain(store, ROLLBACK, "roll back", NULL);
}

static void bind_key(sqlite3_stmt *statement, const pbt_artefact_key *key) {
    sqlite3_bind_text(statement, 1, key->stage, -1, SQLITE_STATIC);
    sqlite3_bind_int64(statement, 2, key->seed);
    sqlite3_bind_text(statement, 3, key->arm ? key->arm : "", -1, SQLITE_STATIC);
    sqlite3_bind_text(statement, 4, key->kind ? key->kind : "", -1, SQLITE_STATIC);
}

static sqlite3_stmt *bound(pbt_store *s, int which, const pbt_artefact_key *key, bool with_name) {
    sqlite3_stmt *statement = s->statements[which];
    bind_key(statement, key);
    if (with_name) sqlite3_bind_text(statement, 5, key->name ? key->name : "", -1, SQLITE_STATIC);
    return statement;
}

static void release(sqlite3_stmt *statement) {
    sqlite3_reset(statement);
    sqlite3_clear_bindings(statement);
}

/* The key is part of what is summed, so that a value that moved to another key is noticed too. */
static int64_t checksum_of(const pbt_artefact_key *key, const char *name, const char *bytes, size_t length) {
    const char *parts[] = {key->stage, key->arm, key->kind, name};
    uint64_t sum = pbt_hash(&key->seed, sizeof key->seed, 0);
    for (size_t i = 0; i < 4; i++)
        sum = pbt_hash(parts[i] ? parts[i] : "", parts[i] ? strlen(parts[i]) : 0, sum);
    return (int64_t)pbt_hash(bytes, length, sum);
}

pbt_code pbt_store_put(pbt_store *store, const pbt_artefact_key *key, const json_t *value, pbt_error *error) {
    char *line = value ? pbt_json_line(value) : NULL;
    if (!line) return pbt_fail(error, PBT_FAILED, "an artefact could not be written as JSON");
    size_t length = strlen(line);
    sqlite3_stmt *statement = bound(store, PUT, key, true);
    sqlite3_bind_text64(statement, 6, line, length, SQLITE_STATIC, SQLITE_UTF8);
    sqlite3_bind_int64(statement, 7, checksum_of(key, key->name, line, length));
    int result = sqlite3_step(statement);
    pbt_code code = result == SQLITE_DONE ? PBT_OK : fail_sql(store, "write to the run store", error);
    release(statement);
    free(line);
    return code;
}

/* The JSON of the current row, checked against its sum. */
static pbt_code read_row(pbt_store *s, sqlite3_stmt *statement, const pbt_artefact_key *key, const char *name,
                         json_t **value, pbt_error *error) {
    const char *bytes = (const char *)sqlite3_column_text(statement, 0);
    size_t length = (size_t)sqlite3_column_bytes(statement, 0);
    char where[160];
    snprintf(where, sizeof where, "artefact %s/%lld/%s/%s/%s", key->stage, (long long)key->seed,
             key->arm ? key->arm : "", key->kind ? key->kind : "", name ? name : "");
    if (!bytes || checksum_of(key, name, bytes, length) != sqlite3_column_int64(statement, 1))
        return pbt_fail_at(error, PBT_BAD_INPUT, s->path, where,
                           "the stored value does not match its checksum; the file was damaged or edited");
    return pbt_json_parse(bytes, length, s->path, where, value, error);
}

pbt_code pbt_store_get(pbt_store *store, const pbt_artefact_key *key, json_t **value, pbt_error *error) {
    sqlite3_stmt *statement = bound(store, GET, key, true);
    int result = sqlite3_step(statement);
    pbt_code code = PBT_OK;
    *value = NULL;
    if (result == SQLITE_ROW)
        code = read_row(store, statement, key, key->name, value, error);
    else if (result != SQLITE_DONE)
        code = fail_sql(store, "read the run store", error);
    release(statement);
    return code;
}

pbt_code pbt_store_has(pbt_store *store, const pbt_artefact_key *key, bool *has, pbt_error *error) {
    sqlite3_stmt *statement = bound(store, HAS, key, true);
    int result = sqlite3_step(statement);
    *has = result == SQLITE_ROW;
    pbt_code code = *has || result == SQLITE_DONE ? PBT_OK : fail_sql(store, "read the run store", error);
    release(statement);
    return code;
}

pbt_code pbt_store_count(pbt_store *store, const pbt_artefact_key *key_without_name, int64_t *count,
                         pbt_error *error) {
    sqlite3_stmt *statement = bound(store, COUNT, key_without_name, false);
    bool got = sqlite3_step(statement) == SQLITE_ROW;
    *count = got ? sqlite3_column_int64(statement, 0) : 0;
    pbt_code code = got ? PBT_OK : fail_sql(store, "read the run store", error);
    release(statement);
    return code;
}

pbt_code pbt_store_each(pbt_store *store, const pbt_artefact_key *key_without_name, pbt_store_visitor visitor,
                        void *user, pbt_error *error) {
    /* A statement of its own, so that a visitor may list something else meanwhile. */
    sqlite3_stmt *statement;
    if (sqlite3_prepare_v2(store->database, each_sql, -1, &statement, NULL) != SQLITE_OK)
        return fail_sql(store, "read the run store", error);
    bind_key(statement, key_without_name);
    pbt_code code = PBT_OK;
    int result = SQLITE_DONE;
    while (code == PBT_OK && (result = sqlite3_step(statement)) == SQLITE_ROW) {
        const char *name = (const char *)sqlite3_column_text(statement, 2);
        json_t *value = NULL;
        code = read_row(store, statement, key_without_name, name, &value, error);
        if (code == PBT_OK) code = visitor(user, name, value, error);
        json_decref(value);
    }
    if (code == PBT_OK && result != SQLITE_DONE) code = fail_sql(store, "read the run store", error);
    sqlite3_finalize(statement);
    return code;
}

pbt_code pbt_store_clear(pbt_store *store, const char *stage, int64_t seed, pbt_error *error) {
    sqlite3_stmt *statement = store->statements[seed < 0 ? CLEAR_ALL : CLEAR_SEED];
    sqlite3_bind_text(statement, 1, stage, -1, SQLITE_STATIC);
    if (seed >= 0) sqlite3_bind_int64(statement, 2, seed);
    pbt_code code = sqlite3_step(statement) == SQLITE_DONE ? PBT_OK : fail_sql(store, "clear a stage", error);
    release(statement);
    return code;
}

pbt_code pbt_store_delete(pbt_store *store, const char *stage, const char *arm, const char *kind,
                          const char *name, pbt_error *error) {
    sqlite3_stmt *statement = store->statements[DELETE];
    const char *const parts[] = {stage, arm, kind, name};
    for (int i = 0; i < 4; i++)
        if (parts[i]) sqlite3_bind_text(statement, i + 1, parts[i], -1, SQLITE_STATIC);
    pbt_code code =
        sqlite3_step(statement) == SQLITE_DONE ? PBT_OK : fail_sql(store, "delete from the run store", error);
    release(statement);
    return code;
}
