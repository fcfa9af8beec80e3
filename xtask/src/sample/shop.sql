-- A small shop over two years: constraints, views, triggers.
PRAGMA journal_mode = WAL;
BEGIN;
CREATE TABLE categories (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE);
CREATE TABLE products (
    id INTEGER PRIMARY KEY,
    sku TEXT NOT NULL UNIQUE,
    name TEXT NOT NULL,
    category_id INTEGER NOT NULL REFERENCES categories (id),
    price_cents INTEGER NOT NULL CHECK (price_cents > 0),
    in_stock INTEGER NOT NULL DEFAULT 0,
    description TEXT
);
CREATE TABLE customers (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL,
    email TEXT NOT NULL COLLATE NOCASE UNIQUE,
    city TEXT NOT NULL,
    since TEXT NOT NULL
);
CREATE TABLE orders (
    id INTEGER PRIMARY KEY,
    customer_id INTEGER NOT NULL REFERENCES customers (id),
    placed_at TEXT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('new', 'paid', 'sent', 'returned')),
    total_cents INTEGER NOT NULL DEFAULT 0
);
CREATE TABLE order_lines (
    order_id INTEGER NOT NULL REFERENCES orders (id) ON DELETE CASCADE,
    line INTEGER NOT NULL,
    product_id INTEGER NOT NULL REFERENCES products (id),
    quantity INTEGER NOT NULL CHECK (quantity > 0),
    price_cents INTEGER NOT NULL,
    PRIMARY KEY (order_id, line)
) WITHOUT ROWID;
CREATE INDEX orders_by_customer ON orders (customer_id, placed_at);
CREATE INDEX open_orders ON orders (placed_at) WHERE state IN ('new', 'paid');
CREATE VIEW revenue_by_month AS
    SELECT substr(placed_at, 1, 7) AS month, count(*) AS orders, sum(total_cents) / 100.0 AS revenue
    FROM orders WHERE state <> 'returned' GROUP BY 1;

INSERT INTO categories (name) VALUES ('Tea'), ('Coffee'), ('Chocolate'), ('Spices'), ('Cups and pots');
WITH
    kinds (n, name) AS (VALUES (0, 'Assam'), (1, 'Darjeeling'), (2, 'Sencha'), (3, 'Rooibos'), (4, 'Mocha'), (5, 'Arabica'), (6, 'Robusta'),
        (7, 'Dark 70 %'), (8, 'Milk'), (9, 'Hazelnut'), (10, 'Cardamom'), (11, 'Saffron'), (12, 'Cinnamon'), (13, 'Teapot'), (14, 'Mug'), (15, 'Espresso cup')),
    sizes (m, name, factor) AS (VALUES (0, 'small', 1), (1, 'medium', 2), (2, 'large', 4), (3, 'gift box', 7))
INSERT INTO products (sku, name, category_id, price_cents, in_stock, description)
SELECT printf('RK-%02d%d', n, m), kinds.name || ', ' || sizes.name, 1 + n * 5 / 16, factor * (290 + n * 37), (n * 31 + m * 17) % 120,
    CASE WHEN m = 3 THEN 'Comes wrapped, with a card.' WHEN n % 3 = 0 THEN 'From small farms — naïve, crème brûlée, 日本茶.' END
FROM kinds, sizes;
WITH RECURSIVE
    i (n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM i WHERE n < 799),
    first (a, name) AS (VALUES (0, 'Ada'), (1, 'Björn'), (2, 'Chloé'), (3, 'Dmitri'), (4, 'Elif'), (5, 'Farid'), (6, 'Grace'), (7, 'Hiroko'), (8, 'Ines'), (9, 'Jan')),
    last (b, name) AS (VALUES (0, 'Novák'), (1, 'O''Brien'), (2, 'Müller'), (3, 'García'), (4, 'Nguyễn'), (5, 'Okafor'), (6, 'Smith'), (7, 'Rossi')),
    town (c, name) AS (VALUES (0, 'Aarhus'), (1, 'Bern'), (2, 'Córdoba'), (3, 'Dublin'), (4, 'Essen'), (5, 'Florence'), (6, 'Ghent'))
INSERT INTO customers (name, email, city, since)
SELECT first.name || ' ' || last.name, printf('customer%d@shop.example', n), town.name, date('2024-01-01', printf('+%d days', n * 601 % 700))
FROM i JOIN first ON a = n % 10 JOIN last ON b = n / 10 % 8 JOIN town ON c = n * 13 % 7;
WITH RECURSIVE i (n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM i WHERE n < 5999)
INSERT INTO orders (customer_id, placed_at, state)
SELECT 1 + n * 7919 % 800, datetime('2024-11-01', printf('+%d minutes', n * 175 + n * 31 % 170)),
    CASE WHEN n > 5980 THEN 'new' WHEN n > 5940 THEN 'paid' WHEN n % 41 = 0 THEN 'returned' ELSE 'sent' END
FROM i;
INSERT INTO order_lines (order_id, line, product_id, quantity, price_cents)
SELECT orders.id, line, products.id, 1 + (orders.id + line) % 3, price_cents
FROM orders JOIN (SELECT 1 AS line UNION SELECT 2 UNION SELECT 3) ON line <= 1 + orders.id % 3
JOIN products ON products.id = 1 + (orders.id * 17 + line * 23) % 64;
UPDATE orders SET total_cents = (SELECT sum(quantity * price_cents) FROM order_lines WHERE order_id = orders.id);
CREATE TRIGGER order_lines_total AFTER INSERT ON order_lines BEGIN
    UPDATE orders SET total_cents = total_cents + new.quantity * new.price_cents WHERE id = new.order_id;
END;
COMMIT;
