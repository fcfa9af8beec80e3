-- How long a task's backups are kept: a rule such as days=30,count=5; NULL keeps everything.
ALTER TABLE tasks ADD COLUMN retention TEXT;

-- What a backup holds before it is sealed, by which those of one database are compared; and why one is suspicious, a sentence.
ALTER TABLE backups ADD COLUMN plain_bytes BIGINT;
ALTER TABLE backups ADD COLUMN suspicion TEXT;
CREATE INDEX backups_suspicious ON backups (destination_id, database_name) WHERE suspicion IS NOT NULL;

-- A suspicious backup does not count as a good one.
DROP INDEX backups_good;
CREATE INDEX backups_good
    ON backups (server_instance, database_name, server_name, at, proven_at, destination_id, trusted, read_fault, verify_fault, suspicion)
    WHERE trusted AND read_fault IS NULL AND verify_fault IS NULL AND suspicion IS NULL;

-- Chains that somebody pinned: they stay until they are released.
CREATE TABLE holds (
    destination_id TEXT NOT NULL REFERENCES destinations (id) ON DELETE CASCADE,
    folder TEXT NOT NULL,
    note TEXT NOT NULL,
    held_by TEXT NOT NULL,
    held_at BIGINT NOT NULL,
    PRIMARY KEY (destination_id, folder)
);

-- Chains that retention deleted, or began to: the line is there before the first file goes. Neither destination nor server holds
-- the history back.
CREATE TABLE expired (
    id TEXT PRIMARY KEY,
    server_id TEXT NOT NULL,
    destination_id TEXT NOT NULL,
    database_name TEXT NOT NULL,
    folder TEXT NOT NULL,
    -- Moments of its oldest and its newest backup, how many there were, and their bytes.
    from_at BIGINT NOT NULL,
    to_at BIGINT NOT NULL,
    backups BIGINT NOT NULL,
    size_bytes BIGINT NOT NULL,
    reason TEXT NOT NULL,
    actor TEXT NOT NULL,
    began_at BIGINT NOT NULL,
    -- NULL until all of it is gone.
    ended_at BIGINT,
    error TEXT
);
CREATE INDEX expired_place ON expired (server_id, destination_id, began_at);
CREATE INDEX expired_began ON expired (began_at);

-- When retention looked last at all that a server has at a destination, and what became of it.
CREATE TABLE expiries (
    server_id TEXT NOT NULL REFERENCES servers (id) ON DELETE CASCADE,
    destination_id TEXT NOT NULL REFERENCES destinations (id) ON DELETE CASCADE,
    tried_at BIGINT NOT NULL,
    -- When it was carried through.
    done_at BIGINT,
    chains BIGINT NOT NULL,
    size_bytes BIGINT NOT NULL,
    error TEXT,
    PRIMARY KEY (server_id, destination_id)
);
