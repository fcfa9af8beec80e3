-- When a database was last found to be as it was at its newest backup: then nothing was written, and it is as well protected.
ALTER TABLE backups ADD COLUMN current_at BIGINT;
