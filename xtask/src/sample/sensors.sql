-- A sensor log: one reading a minute from four places.
BEGIN;
CREATE TABLE sensors (id INTEGER PRIMARY KEY, place TEXT NOT NULL, unit TEXT NOT NULL, calibration BLOB);
CREATE TABLE readings (
    sensor_id INTEGER NOT NULL REFERENCES sensors (id),
    at INTEGER NOT NULL,
    value REAL,
    quality INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (sensor_id, at)
) WITHOUT ROWID;
INSERT INTO sensors VALUES (1, 'roof', '°C', x'00ff10a5'), (2, 'cellar', '°C', NULL), (3, 'greenhouse', '%', x''), (4, 'well', 'm', x'deadbeef');
WITH RECURSIVE i (n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM i WHERE n < 12499)
INSERT INTO readings (sensor_id, at, value, quality)
SELECT id, 1790000000 + n * 60, CASE WHEN n % 977 = 0 THEN NULL ELSE round(id * 7.5 + abs(n % 1440 - 720) / 90.0 + n * 7919 % 100 / 333.0, 3) END, n % 977 = 0
FROM i, sensors;
CREATE VIEW latest AS SELECT place, max(at) AS at, value, unit FROM readings JOIN sensors ON sensors.id = sensor_id GROUP BY sensor_id;
COMMIT;
