-- Everything that names and types can be.
BEGIN;
CREATE TABLE "select" ("from" TEXT, "a ""quoted"" column" INTEGER, "naïve 列" REAL);
CREATE TABLE "a/b\c; DROP TABLE x --" (id INTEGER PRIMARY KEY, "<b>bold</b>" TEXT);
CREATE TABLE "emoji 🐦‍⬛" (k TEXT PRIMARY KEY, v ANY) STRICT, WITHOUT ROWID;
CREATE TABLE "  spaces  " (anything, whatever BLOB NOT NULL DEFAULT x'', total GENERATED ALWAYS AS (length(whatever)) STORED);
CREATE TABLE empty_table (id INTEGER PRIMARY KEY AUTOINCREMENT, note TEXT);
INSERT INTO "select" VALUES ('plain', 9223372036854775807, 1.5), (NULL, -9223372036854775808, 9e999), ('', 0, -0.0), ('tab	and "quotes" and ''ticks''', NULL, 1e-300);
INSERT INTO "a/b\c; DROP TABLE x --" VALUES (1, '<script>alert(1)</script>'), (2, '${jndi:ldap://x}'), (3, '../../etc/passwd'), (4, char(0x202e) || 'turned');
INSERT INTO "emoji 🐦‍⬛" VALUES ('text', 'один'), ('integer', 42), ('real', 2.5), ('blob', x'00010203ff'), ('nothing', NULL);
INSERT INTO "  spaces  " (anything, whatever) VALUES (1, zeroblob(5000)), ('1', x'31'), (1.0, 'text in a blob column'), (NULL, x'80');
CREATE INDEX "index on an expression" ON "select" (lower("from"));
CREATE VIEW "view of ""select""" AS SELECT "from" FROM "select" WHERE "from" IS NOT NULL;
COMMIT;
