-- Four weeks of rounds like the one that the catalog has: the same databases, a day earlier each.
CREATE TEMP TABLE earlier AS WITH RECURSIVE n(days) AS (SELECT 1 UNION ALL SELECT days + 1 FROM n WHERE days < 24) SELECT days, days * 86400000000 AS back FROM n;
CREATE TEMP TABLE pattern AS SELECT * FROM rounds WHERE id = (SELECT round_id FROM runs GROUP BY round_id ORDER BY count(*) DESC LIMIT 1);

INSERT INTO rounds
SELECT printf('%08x', days) || substr(id, 9), task_id, task_name, server_id, destination_id, only_database, state, origin, started_by, attempt,
    retry_at, due_at - back, began_at - back, ended_at - back, error
FROM pattern, earlier;

INSERT INTO runs
SELECT printf('%08x', days) || substr(runs.id, 9), printf('%08x', days) || substr(runs.round_id, 9), kind, runs.server_id, runs.destination_id,
    database_name, runs.state, runs.attempt, runs.started_by, queued_at - back, runs.began_at - back, runs.ended_at - back, runs.retry_at, reason,
    request, label, stored_bytes, row_count, proven, compared, notes, runs.error
FROM runs JOIN pattern ON pattern.id = runs.round_id, earlier;

SELECT (SELECT count(*) FROM databases WHERE gone_at IS NULL) || ' ' || (SELECT count(*) FROM runs);
