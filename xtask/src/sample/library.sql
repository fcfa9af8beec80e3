-- The catalogue of a town's library.
BEGIN;
CREATE TABLE authors (id INTEGER PRIMARY KEY, name TEXT NOT NULL, born INTEGER, died INTEGER);
CREATE TABLE books (
    isbn TEXT PRIMARY KEY,
    title TEXT NOT NULL,
    author_id INTEGER REFERENCES authors (id),
    year INTEGER,
    language TEXT NOT NULL DEFAULT 'en',
    subjects TEXT CHECK (subjects IS NULL OR json_valid(subjects))
) WITHOUT ROWID;
CREATE TABLE copies (
    barcode INTEGER PRIMARY KEY AUTOINCREMENT,
    isbn TEXT NOT NULL REFERENCES books (isbn),
    shelf TEXT NOT NULL,
    bought_on TEXT,
    price REAL
);
CREATE TABLE readers (card INTEGER PRIMARY KEY, name TEXT NOT NULL, joined_on TEXT NOT NULL, photo BLOB);
CREATE TABLE loans (
    id INTEGER PRIMARY KEY,
    barcode INTEGER NOT NULL REFERENCES copies (barcode),
    card INTEGER NOT NULL REFERENCES readers (card),
    lent_on TEXT NOT NULL,
    returned_on TEXT
);
CREATE INDEX loans_out ON loans (card) WHERE returned_on IS NULL;
CREATE INDEX books_by_title ON books (title COLLATE NOCASE);
CREATE VIEW overdue AS
    SELECT readers.name, books.title, loans.lent_on FROM loans
    JOIN readers USING (card) JOIN copies USING (barcode) JOIN books USING (isbn)
    WHERE returned_on IS NULL AND lent_on < date('2026-10-25');

INSERT INTO authors (name, born, died) VALUES
    ('Jane Austen', 1775, 1817), ('Jorge Luis Borges', 1899, 1986), ('Italo Calvino', 1923, 1985), ('Emily Brontë', 1818, 1848), ('Stanisław Lem', 1921, 2006),
    ('Murasaki Shikibu', NULL, NULL), ('Fyodor Dostoevsky', 1821, 1881), ('Mary Shelley', 1797, 1851), ('Herman Melville', 1819, 1891), ('Virginia Woolf', 1882, 1941);
INSERT INTO books (isbn, title, author_id, year, language, subjects) VALUES
    ('978-0-00-000001-1', 'Pride and Prejudice', 1, 1813, 'en', '["novel","manners"]'), ('978-0-00-000002-8', 'Ficciones', 2, 1944, 'es', '["stories","labyrinths"]'),
    ('978-0-00-000003-5', 'Le città invisibili', 3, 1972, 'it', '["cities"]'), ('978-0-00-000004-2', 'Wuthering Heights', 4, 1847, 'en', NULL),
    ('978-0-00-000005-9', 'Solaris', 5, 1961, 'pl', '["science fiction"]'), ('978-0-00-000006-6', '源氏物語', 6, 1021, 'ja', '["novel","court"]'),
    ('978-0-00-000007-3', 'Преступление и наказание', 7, 1866, 'ru', '["novel"]'), ('978-0-00-000008-0', 'Frankenstein; or, The Modern Prometheus', 8, 1818, 'en', '["horror"]'),
    ('978-0-00-000009-7', 'Moby-Dick; or, The Whale', 9, 1851, 'en', '["sea","whales"]'), ('978-0-00-000010-3', 'Mrs Dalloway', 10, 1925, 'en', '["london"]');
WITH RECURSIVE i (n) AS (SELECT 11 UNION ALL SELECT n + 1 FROM i WHERE n < 1200)
INSERT INTO books (isbn, title, author_id, year, subjects)
SELECT printf('978-0-01-%06d-%d', n, n % 10), printf('Collected papers of the town council, volume %d', n - 10), NULL, 1900 + n % 126, json_array('council', 'year ' || (1900 + n % 126)) FROM i;
INSERT INTO copies (isbn, shelf, bought_on, price)
SELECT isbn, printf('%c%02d', 65 + year % 8, year % 40), date('2010-01-01', printf('+%d days', year * 3)), round(8.5 + year % 23 * 1.1, 2) FROM books, (SELECT 1 UNION SELECT 2);
WITH RECURSIVE i (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM i WHERE n < 400)
INSERT INTO readers (card, name, joined_on, photo)
SELECT 1000 + n, printf('Reader %d', n), date('2019-03-01', printf('+%d days', n * 6)), CASE WHEN n % 5 = 0 THEN zeroblob(2000 + n) END FROM i;
WITH RECURSIVE i (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM i WHERE n < 9000)
INSERT INTO loans (barcode, card, lent_on, returned_on)
SELECT 1 + n * 37 % 2400, 1001 + n * 53 % 400, date('2022-01-03', printf('+%d hours', n * 4)), CASE WHEN n < 8900 THEN date('2022-01-03', printf('+%d hours', n * 4 + 24 * (3 + n % 25))) END FROM i;
COMMIT;
