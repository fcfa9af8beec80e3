-- A task covers one or more servers, in its order. A server stays as long as a task names it.
CREATE TABLE task_servers (
    task_id TEXT NOT NULL REFERENCES tasks (id) ON DELETE CASCADE,
    server_id TEXT NOT NULL REFERENCES servers (id),
    place BIGINT NOT NULL,
    PRIMARY KEY (task_id, server_id)
);
CREATE INDEX task_servers_server ON task_servers (server_id);
INSERT INTO task_servers (task_id, server_id, place) SELECT id, server_id, 0 FROM tasks;
ALTER TABLE tasks DROP COLUMN server_id;

-- The servers of a round, and how the look at each for its databases stands: queued, succeeded, failed or aborted.
CREATE TABLE round_servers (
    round_id TEXT NOT NULL REFERENCES rounds (id) ON DELETE CASCADE,
    server_id TEXT NOT NULL REFERENCES servers (id) ON DELETE CASCADE,
    place BIGINT NOT NULL,
    state TEXT NOT NULL,
    error TEXT,
    PRIMARY KEY (round_id, server_id)
);
-- Identifiers of rounds are in the order of their beginnings.
CREATE INDEX round_servers_server ON round_servers (server_id, round_id);
INSERT INTO round_servers (round_id, server_id, place, state, error) SELECT id, server_id, 0,
    CASE
        WHEN state IN ('preparing', 'skipped') THEN 'queued'
        WHEN EXISTS (SELECT 1 FROM runs WHERE runs.round_id = rounds.id) THEN 'succeeded'
        WHEN state IN ('failed', 'aborted') THEN state
        ELSE 'succeeded'
    END,
    CASE WHEN state IN ('preparing', 'failed') THEN error END
    FROM rounds;
-- Why a server could not be looked at is told of the server alone from now on.
UPDATE rounds SET error = NULL WHERE state IN ('preparing', 'failed');
DROP INDEX rounds_server;
ALTER TABLE rounds DROP COLUMN server_id;
