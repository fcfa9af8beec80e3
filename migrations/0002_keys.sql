-- Keys that archives are sealed for: their public halves alone. What opens an archive is nowhere in the catalog.
CREATE TABLE keys (
    id TEXT PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    fingerprint TEXT NOT NULL UNIQUE,
    public_key TEXT NOT NULL,
    -- How a passphrase becomes the private half: salt and parameters.
    derivation TEXT,
    note TEXT NOT NULL,
    version BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    -- When somebody proved last that the private half is at hand; NULL before the first time.
    proven_at BIGINT
);

-- Whether a task seals at all: that it has no keys must never be all that says it does not.
ALTER TABLE tasks ADD COLUMN sealed BOOLEAN NOT NULL DEFAULT FALSE;

-- Which keys it seals for; a key stays as long as a task needs it.
CREATE TABLE task_keys (
    task_id TEXT NOT NULL REFERENCES tasks (id) ON DELETE CASCADE,
    key_id TEXT NOT NULL REFERENCES keys (id),
    PRIMARY KEY (task_id, key_id)
);
CREATE INDEX task_keys_key ON task_keys (key_id);

-- What encrypts the server's own files, as it says itself.
ALTER TABLE servers ADD COLUMN seen_encryption TEXT;
