-- The console's catalog. Runs on SQLite and on PostgreSQL alike: identifiers are UUIDs as text, moments are
-- microseconds since 1970 UTC, structures that only Rust reads are JSON as text.

CREATE TABLE users (
    id TEXT PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    role TEXT NOT NULL,
    password_hash TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    signed_in_at BIGINT
);

-- The token itself is only in the browser's cookie.
CREATE TABLE sessions (
    token_hash TEXT PRIMARY KEY,
    user_id TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    created_at BIGINT NOT NULL,
    seen_at BIGINT NOT NULL,
    address TEXT NOT NULL,
    agent TEXT NOT NULL
);
CREATE INDEX sessions_user ON sessions (user_id);

CREATE TABLE servers (
    id TEXT PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    connection TEXT NOT NULL,
    -- The password, sealed with a key that lies outside the catalog.
    sealed_password TEXT,
    jobs BIGINT,
    note TEXT NOT NULL,
    version BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    -- What the last look found.
    seen_at BIGINT,
    seen_version TEXT,
    seen_instance TEXT,
    seen_error TEXT
);

CREATE TABLE databases (
    server_id TEXT NOT NULL REFERENCES servers (id) ON DELETE CASCADE,
    name TEXT NOT NULL,
    size_bytes BIGINT,
    first_seen_at BIGINT NOT NULL,
    last_seen_at BIGINT NOT NULL,
    gone_at BIGINT,
    PRIMARY KEY (server_id, name)
);

CREATE TABLE destinations (
    id TEXT PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    destination TEXT NOT NULL,
    note TEXT NOT NULL,
    version BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    -- When its repository was last read into `backups`.
    read_at BIGINT,
    read_error TEXT
);

CREATE TABLE tasks (
    id TEXT PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    server_id TEXT NOT NULL REFERENCES servers (id),
    destination_id TEXT NOT NULL REFERENCES destinations (id),
    selection TEXT NOT NULL,
    cron TEXT NOT NULL,
    time_zone TEXT NOT NULL,
    catch_up BOOLEAN NOT NULL,
    enabled BOOLEAN NOT NULL,
    -- When it is due next; NULL while it is not enabled.
    next_at BIGINT,
    version BIGINT NOT NULL,
    created_at BIGINT NOT NULL
);
CREATE INDEX tasks_due ON tasks (next_at);

CREATE TABLE rounds (
    id TEXT PRIMARY KEY,
    -- NULL once the task is deleted; its name stays.
    task_id TEXT REFERENCES tasks (id) ON DELETE SET NULL,
    task_name TEXT NOT NULL,
    server_id TEXT NOT NULL REFERENCES servers (id) ON DELETE CASCADE,
    -- Stays when the destination is deleted: history does not hold it back.
    destination_id TEXT NOT NULL,
    -- The one database that was asked for, if not all.
    only_database TEXT,
    state TEXT NOT NULL,
    origin TEXT NOT NULL,
    started_by TEXT,
    attempt BIGINT NOT NULL,
    retry_at BIGINT,
    due_at BIGINT NOT NULL,
    began_at BIGINT NOT NULL,
    ended_at BIGINT,
    error TEXT
);
CREATE INDEX rounds_task ON rounds (task_id, began_at);
CREATE INDEX rounds_server ON rounds (server_id, began_at);
CREATE INDEX rounds_began ON rounds (began_at);
CREATE INDEX rounds_state ON rounds (state);
CREATE INDEX rounds_failed ON rounds (began_at) WHERE state NOT IN ('preparing', 'running', 'succeeded');
-- A task has at most one round under way.
CREATE UNIQUE INDEX rounds_open ON rounds (task_id) WHERE state IN ('preparing', 'running');

CREATE TABLE runs (
    id TEXT PRIMARY KEY,
    round_id TEXT REFERENCES rounds (id) ON DELETE CASCADE,
    kind TEXT NOT NULL,
    server_id TEXT REFERENCES servers (id) ON DELETE CASCADE,
    -- Stays when the destination is deleted.
    destination_id TEXT NOT NULL,
    -- What is backed up, the new database of a restore, or whose backup is verified.
    database_name TEXT NOT NULL,
    state TEXT NOT NULL,
    attempt BIGINT NOT NULL,
    started_by TEXT,
    queued_at BIGINT NOT NULL,
    began_at BIGINT,
    ended_at BIGINT,
    retry_at BIGINT,
    reason TEXT,
    -- What a restore or a verification was asked for.
    request TEXT,
    label TEXT,
    stored_bytes BIGINT,
    row_count BIGINT,
    proven BOOLEAN,
    compared TEXT NOT NULL,
    notes TEXT NOT NULL,
    error TEXT
);
-- With all that the totals of a round need.
CREATE INDEX runs_round ON runs (round_id, state, stored_bytes);
CREATE INDEX runs_state ON runs (state, queued_at);
CREATE INDEX runs_database ON runs (server_id, database_name, kind, queued_at);
CREATE INDEX runs_kind ON runs (kind, queued_at);
-- Few, and looked for on every page.
CREATE INDEX runs_failed ON runs (kind, server_id, database_name, queued_at, state) WHERE state NOT IN ('queued', 'running', 'succeeded');

CREATE TABLE run_log (
    id TEXT PRIMARY KEY,
    round_id TEXT REFERENCES rounds (id) ON DELETE CASCADE,
    run_id TEXT REFERENCES runs (id) ON DELETE CASCADE,
    at BIGINT NOT NULL,
    database_name TEXT NOT NULL,
    line TEXT NOT NULL,
    bad BOOLEAN NOT NULL
);
CREATE INDEX run_log_round ON run_log (round_id, id);
CREATE INDEX run_log_run ON run_log (run_id, id);
CREATE INDEX run_log_at ON run_log (at);

-- What repositories hold, whoever wrote it: a copy for fast answers, made anew from the manifests at any time.
CREATE TABLE backups (
    destination_id TEXT NOT NULL REFERENCES destinations (id) ON DELETE CASCADE,
    -- The chain's folder and the label: together the object's name.
    folder TEXT NOT NULL,
    label TEXT NOT NULL,
    database_name TEXT NOT NULL,
    -- The server of the manifest: its name, and what stays the same while it is the same server.
    server_name TEXT,
    server_instance TEXT,
    dbms TEXT,
    at BIGINT NOT NULL,
    size_bytes BIGINT,
    row_count BIGINT,
    task_name TEXT,
    -- Why it cannot be used: what the last reading of the repository found, and what the last verification of it found. Both
    -- are NULL for a good one.
    read_fault TEXT,
    verify_fault TEXT,
    trusted BOOLEAN NOT NULL,
    checked_at BIGINT NOT NULL,
    proven_at BIGINT,
    PRIMARY KEY (destination_id, folder, label)
);
-- With all that is asked about the good backups of a server, and about the space at a destination.
CREATE INDEX backups_good
    ON backups (server_instance, database_name, server_name, at, proven_at, destination_id, trusted, read_fault, verify_fault)
    WHERE trusted AND read_fault IS NULL AND verify_fault IS NULL;
CREATE INDEX backups_place ON backups (destination_id, database_name, at, size_bytes);

CREATE TABLE audit (
    id TEXT PRIMARY KEY,
    at BIGINT NOT NULL,
    actor TEXT NOT NULL,
    address TEXT NOT NULL,
    action TEXT NOT NULL,
    subject TEXT NOT NULL,
    path TEXT,
    detail TEXT NOT NULL
);
CREATE INDEX audit_at ON audit (at);

CREATE TABLE settings (
    name TEXT PRIMARY KEY,
    value TEXT NOT NULL
);
