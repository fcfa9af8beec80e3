-- Bytes of its log that a server may keep for each chain; NULL for what is usual.
ALTER TABLE servers ADD COLUMN most_held_bytes BIGINT;
