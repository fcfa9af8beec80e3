-- A task has a schedule for each kind of backup; one of the two may be missing. Until now all were full ones.
ALTER TABLE tasks ADD COLUMN full_cron TEXT;
ALTER TABLE tasks ADD COLUMN incremental_cron TEXT;
UPDATE tasks SET full_cron = cron;
ALTER TABLE tasks DROP COLUMN cron;

-- The longest that a chain may grow; NULL sets no limit. Tasks that are there get what new ones are offered.
ALTER TABLE tasks ADD COLUMN chain_incrementals BIGINT;
ALTER TABLE tasks ADD COLUMN chain_days BIGINT;
UPDATE tasks SET chain_incrementals = 200, chain_days = 35;

-- The due time that somebody put off; next_at is then the time it was put off to.
ALTER TABLE tasks ADD COLUMN put_off_from BIGINT;

-- The kind of backup that was asked for; of a run, NULL unless it makes a backup.
ALTER TABLE rounds ADD COLUMN wanted TEXT NOT NULL DEFAULT 'full';
ALTER TABLE runs ADD COLUMN wanted TEXT;
UPDATE runs SET wanted = 'full' WHERE kind = 'backup';

-- What a round was ordered that no task stands behind, while it waits to be prepared and after; NULL for those of tasks.
ALTER TABLE rounds ADD COLUMN once TEXT;
