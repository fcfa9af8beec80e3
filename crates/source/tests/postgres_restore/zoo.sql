-- One of each kind of object that PostgreSQL 15 has, with hostile names and texts.
CREATE ROLE zoo_owner; CREATE ROLE "zoo ""reader"; CREATE ROLE zoo_member IN ROLE zoo_owner;

CREATE SCHEMA zoo; CREATE SCHEMA "Odd; ""schema" AUTHORIZATION zoo_owner; CREATE SCHEMA ext;
COMMENT ON SCHEMA zoo IS E'it''s\n\\! a ; comment -- /* $$ \\';
CREATE EXTENSION hstore SCHEMA ext; CREATE EXTENSION citext SCHEMA ext; CREATE EXTENSION pg_trgm SCHEMA ext;
CREATE EXTENSION btree_gist SCHEMA ext; CREATE EXTENSION postgres_fdw; CREATE EXTENSION "uuid-ossp"; CREATE EXTENSION pgcrypto; CREATE EXTENSION ltree;
CREATE EXTENSION cube; CREATE EXTENSION earthdistance; CREATE EXTENSION intarray; CREATE EXTENSION unaccent; CREATE EXTENSION tablefunc;
COMMENT ON EXTENSION hstore IS 'zoo';
SET search_path = zoo, ext, public;

-- Types
CREATE TYPE mood AS ENUM ('sad', 'o''k', E'new\nline', 'x;y', ''); COMMENT ON TYPE mood IS 'm;';
CREATE DOMAIN positive AS numeric(10,2) DEFAULT 1 NOT NULL CONSTRAINT "is ""pos" CHECK (VALUE > 0) CONSTRAINT c2 CHECK (VALUE < 1000);
CREATE DOMAIN nested AS positive; CREATE DOMAIN email AS citext CHECK (VALUE ~ '^[^;]+@\w+\.\w+$');
ALTER DOMAIN nested ADD CONSTRAINT late CHECK (VALUE <> 5) NOT VALID;
CREATE TYPE pair AS (a int, "b;c" text COLLATE "C", d mood[]); CREATE TYPE shell;
CREATE TYPE floatrange AS RANGE (subtype = float8, subtype_diff = float8mi);
CREATE COLLATION german (provider = icu, locale = 'de-u-co-phonebk'); CREATE COLLATION ndet (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
CREATE FUNCTION base_in(cstring) RETURNS base LANGUAGE internal IMMUTABLE STRICT AS 'int4in';
CREATE FUNCTION base_out(base) RETURNS cstring LANGUAGE internal IMMUTABLE STRICT AS 'int4out';
CREATE TYPE base (INPUT = base_in, OUTPUT = base_out, LIKE = int4);

-- Functions of all kinds
CREATE FUNCTION sql_quoted(i int DEFAULT 1, VARIADIC rest text[] DEFAULT '{"a;b"}') RETURNS int LANGUAGE sql IMMUTABLE PARALLEL SAFE COST 7 AS 'SELECT $1; -- it''s; \';
CREATE FUNCTION dollar() RETURNS text LANGUAGE plpgsql AS $fn$ DECLARE x text := $$a;b$$; BEGIN -- ';"
  /* ; */ x := $_$ $$ $_$ || E'\';'; IF true THEN RETURN '\restrict'; END IF; RETURN x; END $fn$;
CREATE FUNCTION atomic(x int) RETURNS int LANGUAGE sql BEGIN ATOMIC SELECT 1; SELECT CASE WHEN x > 1 THEN CASE x WHEN 2 THEN (CASE WHEN true THEN 3 END) ELSE 4 END ELSE 5 END AS "end;"; END;
CREATE FUNCTION ret(x int) RETURNS int LANGUAGE sql RETURN CASE WHEN x > 0 THEN 1 ELSE 2 END;
CREATE FUNCTION tab(OUT a int, OUT "b c" text) RETURNS SETOF record LANGUAGE sql ROWS 5 AS $$ VALUES (1,'a;') $$;
CREATE FUNCTION gets() RETURNS TABLE(q int) LANGUAGE sql SET search_path = zoo, "Odd; ""schema" SET work_mem = '5MB' SECURITY DEFINER AS $$ SELECT 1 $$;
CREATE FUNCTION lowered(t text) RETURNS text LANGUAGE sql IMMUTABLE AS $$ SELECT pg_catalog.lower(t) $$;
CREATE FUNCTION "weird;""name$$"("in;" int) RETURNS void LANGUAGE plpgsql AS 'begin null; end';
CREATE FUNCTION crlf() RETURNS void LANGUAGE plpgsql AS E'begin\r\n  null;\t end; -- \v';
CREATE PROCEDURE proc(INOUT a int) LANGUAGE sql BEGIN ATOMIC SELECT a; END;
CREATE PROCEDURE proc2(a text) LANGUAGE plpgsql AS $$ begin commit; end $$;
CREATE FUNCTION trig() RETURNS trigger LANGUAGE plpgsql AS $$ begin return new; end $$;
CREATE FUNCTION evtrig() RETURNS event_trigger LANGUAGE plpgsql AS $$ begin raise exception 'the zoo is closed'; end $$;
CREATE AGGREGATE total(int) (SFUNC = int4pl, STYPE = int, INITCOND = '0', PARALLEL = SAFE, COMBINEFUNC = int4pl);
CREATE AGGREGATE ordered(VARIADIC "any" ORDER BY VARIADIC "any") (SFUNC = ordered_set_transition_multi, STYPE = internal, FINALFUNC = rank_final, FINALFUNC_EXTRA, HYPOTHETICAL);
CREATE FUNCTION near(int, int) RETURNS bool LANGUAGE sql IMMUTABLE AS $$ SELECT abs($1 - $2) < 2 $$;
CREATE OPERATOR ~<> (FUNCTION = near, LEFTARG = int, RIGHTARG = int, COMMUTATOR = ~<>, RESTRICT = eqsel);
CREATE OPERATOR @-+ (FUNCTION = near, LEFTARG = int, RIGHTARG = int);
CREATE OPERATOR FAMILY fam USING btree;
CREATE OPERATOR CLASS cls FOR TYPE int USING btree FAMILY fam AS OPERATOR 1 <, OPERATOR 2 <=, OPERATOR 3 =, OPERATOR 4 >=, OPERATOR 5 >, FUNCTION 1 btint4cmp(int, int);
ALTER OPERATOR FAMILY fam USING btree ADD OPERATOR 1 < (int, int8), FUNCTION 1 (int, int8) btint48cmp(int, int8);
CREATE FUNCTION to_pair(int) RETURNS pair LANGUAGE sql IMMUTABLE AS $$ SELECT row($1, 'x', null)::zoo.pair $$;
CREATE CAST (int AS pair) WITH FUNCTION to_pair(int) AS ASSIGNMENT; CREATE CAST (base AS int) WITHOUT FUNCTION;
CREATE CONVERSION conv FOR 'LATIN1' TO 'UTF8' FROM iso8859_1_to_utf8; COMMENT ON CONVERSION conv IS 'c';
CREATE TEXT SEARCH DICTIONARY dict (TEMPLATE = simple, stopwords = 'english'); CREATE TEXT SEARCH CONFIGURATION cfg (COPY = english);
ALTER TEXT SEARCH CONFIGURATION cfg ALTER MAPPING FOR word WITH dict, simple;
CREATE TEXT SEARCH PARSER prs (START = prsd_start, GETTOKEN = prsd_nexttoken, END = prsd_end, LEXTYPES = prsd_lextype);
CREATE TEXT SEARCH TEMPLATE tmpl (INIT = dsimple_init, LEXIZE = dsimple_lexize);
CREATE FUNCTION zoo_handler() RETURNS language_handler LANGUAGE c AS '$libdir/plpgsql', 'plpgsql_call_handler'; CREATE LANGUAGE zoolang HANDLER zoo_handler;
CREATE TRANSFORM FOR int LANGUAGE zoolang (FROM SQL WITH FUNCTION prsd_lextype(internal));
CREATE ACCESS METHOD zoo_am TYPE INDEX HANDLER bthandler;

-- Tables
CREATE SEQUENCE sq AS smallint START 5 INCREMENT -3 MINVALUE -100 MAXVALUE 100 CACHE 3 CYCLE;
CREATE TABLE animals (
  id bigint GENERATED ALWAYS AS IDENTITY (START 10 INCREMENT 5) PRIMARY KEY, "na;me ""x" text NOT NULL DEFAULT 'a;b''c\', m mood DEFAULT 'x;y',
  p positive, tags text[] DEFAULT '{a,"b;c"}', low text GENERATED ALWAYS AS (lowered("na;me ""x")) STORED, rng floatrange, pr pair, h hstore, e email,
  at timestamptz DEFAULT now(), n int DEFAULT nextval('sq'), j jsonb DEFAULT '{"a": "\\"}', g text COLLATE german,
  CONSTRAINT "ch;eck" CHECK (id > 0 AND m <> 'o''k'), CONSTRAINT uq UNIQUE (n, m) INCLUDE (p) DEFERRABLE INITIALLY DEFERRED,
  EXCLUDE USING gist (rng WITH &&) WHERE (id > 3)) WITH (fillfactor = 70, autovacuum_enabled = false);
ALTER TABLE animals ALTER e SET STORAGE EXTERNAL, ALTER n SET STATISTICS 500, ALTER n SET (n_distinct = 5), ALTER "na;me ""x" SET COMPRESSION pglz;
ALTER TABLE animals ADD CONSTRAINT later CHECK (n < 100000) NOT VALID;
CREATE UNIQUE INDEX nulls ON animals (n) NULLS NOT DISTINCT; CREATE INDEX expr ON animals ((lower("na;me ""x") || ';'), m DESC NULLS LAST) WHERE m IN ('sad', 'x;y');
CREATE INDEX gin_j ON animals USING gin (j jsonb_path_ops); CREATE INDEX trgm ON animals USING gin ("na;me ""x" ext.gin_trgm_ops); CREATE INDEX brn ON animals USING brin (at) WITH (pages_per_range = 4);
ALTER INDEX expr ALTER COLUMN 1 SET STATISTICS 300; COMMENT ON INDEX expr IS 'i;'; CREATE INDEX opc ON animals (n cls);
ALTER TABLE animals CLUSTER ON nulls; ALTER TABLE animals REPLICA IDENTITY USING INDEX animals_pkey;
CREATE STATISTICS st (dependencies, ndistinct, mcv) ON n, m FROM animals; CREATE STATISTICS st2 ON (n + 1), lower(low) FROM animals; ALTER STATISTICS st SET STATISTICS 50; COMMENT ON STATISTICS st IS 's';
COMMENT ON TABLE animals IS $c$it's; \. \! "$c$; COMMENT ON COLUMN animals."na;me ""x" IS 'c;'; COMMENT ON CONSTRAINT uq ON animals IS 'u'; COMMENT ON DOMAIN positive IS 'd'; COMMENT ON CONSTRAINT c2 ON DOMAIN positive IS 'dc';
CREATE TABLE cyc_a (id int PRIMARY KEY, b int); CREATE TABLE cyc_b (id int PRIMARY KEY, a int REFERENCES cyc_a DEFERRABLE); ALTER TABLE cyc_a ADD CONSTRAINT "f;k" FOREIGN KEY (b) REFERENCES cyc_b ON DELETE SET NULL (b) ON UPDATE CASCADE;
ALTER TABLE cyc_a ADD FOREIGN KEY (id) REFERENCES cyc_b NOT VALID;
CREATE UNLOGGED TABLE unlogged (a int); CREATE TABLE nocols (); CREATE TABLE typed OF pair (PRIMARY KEY (a)); CREATE TABLE par (a int, CONSTRAINT pc CHECK (a > 0)); CREATE TABLE child (b int) INHERITS (par); ALTER TABLE child ALTER a SET DEFAULT 3;
CREATE TABLE grandchild (c int) INHERITS (child, par); CREATE TABLE noinh (a int, CONSTRAINT ni CHECK (a > 1) NO INHERIT);
CREATE TABLE "select ""x"" from"("a b" int, "order" int, "end" int); CREATE TABLE add (owner int, "only" int); ALTER TABLE add ADD CONSTRAINT "check" UNIQUE (owner); ALTER TABLE add ADD CONSTRAINT "foreign" CHECK ("only" > 1);
CREATE TABLE dropped (a int, b int, c int DEFAULT 2); ALTER TABLE dropped DROP b; ALTER TABLE dropped ADD d int DEFAULT 9 NOT NULL;
CREATE TABLE parts (id int, day date, k text, PRIMARY KEY (id, day, k)) PARTITION BY RANGE (day); CREATE INDEX parts_k ON parts (k);
CREATE TABLE parts_1 PARTITION OF parts FOR VALUES FROM ('2020-01-01') TO ('2021-01-01'); CREATE TABLE parts_2 PARTITION OF parts FOR VALUES FROM ('2021-01-01') TO (MAXVALUE) PARTITION BY LIST (k);
CREATE TABLE parts_2a PARTITION OF parts_2 FOR VALUES IN ('a;', 'b') WITH (fillfactor = 50); CREATE TABLE parts_2d PARTITION OF parts_2 DEFAULT; CREATE TABLE parts_h (a int) PARTITION BY HASH (a);
CREATE TABLE parts_h0 PARTITION OF parts_h FOR VALUES WITH (MODULUS 2, REMAINDER 0); CREATE TABLE parts_h1 PARTITION OF parts_h FOR VALUES WITH (MODULUS 2, REMAINDER 1);
CREATE TABLE att (x text, k text NOT NULL, id int NOT NULL, day date NOT NULL); ALTER TABLE att DROP x; ALTER TABLE parts ATTACH PARTITION att FOR VALUES FROM ('2010-01-01') TO ('2011-01-01'); ALTER TABLE att ADD CHECK (id > 1);
CREATE TABLE refs (id int, day date, k text, FOREIGN KEY (id, day, k) REFERENCES parts); CREATE INDEX CONCURRENTLY conc ON refs (id);
ALTER TABLE parts_1 ALTER k SET DEFAULT 'p1';
CREATE SEQUENCE owned OWNED BY refs.id; ALTER TABLE refs ALTER id SET DEFAULT nextval('owned');

-- Views, rules, triggers, policies
CREATE VIEW v AS SELECT id, m, count(*) OVER () AS "c;" FROM animals WHERE m = 'o''k'; CREATE VIEW sec WITH (security_barrier, security_invoker) AS SELECT * FROM v WITH LOCAL CHECK OPTION;
CREATE VIEW grouped AS SELECT a.id, a.at, count(*) FROM animals a GROUP BY a.id; COMMENT ON VIEW grouped IS 'g;'; CREATE VIEW on_grouped AS SELECT * FROM grouped;
CREATE MATERIALIZED VIEW mv1 AS SELECT m, count(*) FROM animals GROUP BY 1 WITH NO DATA; CREATE MATERIALIZED VIEW mv2 AS SELECT * FROM mv1 UNION ALL SELECT 'sad', 1 WITH NO DATA; CREATE UNIQUE INDEX ON mv1 (m);
CREATE MATERIALIZED VIEW mv_grouped AS SELECT a.id, a.at, a.n FROM animals a GROUP BY a.id; CREATE INDEX mv_g ON mv_grouped (at); CREATE INDEX mv_g2 ON mv_grouped (n);
CREATE FUNCTION after_key(i bigint) RETURNS timestamptz LANGUAGE sql STABLE BEGIN ATOMIC SELECT at FROM animals WHERE id = i GROUP BY id; END;
CREATE RECURSIVE VIEW rec (n) AS SELECT 1 UNION ALL SELECT n + 1 FROM rec WHERE n < 5;
CREATE RULE two AS ON INSERT TO v DO INSTEAD (INSERT INTO nocols DEFAULT VALUES; DELETE FROM cyc_a WHERE id = 1; NOTIFY "ch;an"); CREATE RULE "no;thing" AS ON DELETE TO add WHERE old.owner > 1 DO INSTEAD NOTHING; COMMENT ON RULE "no;thing" ON add IS 'r';
ALTER TABLE add DISABLE RULE "no;thing";
CREATE TRIGGER "tr;1" BEFORE INSERT OR UPDATE OF n ON animals FOR EACH ROW WHEN (new.n > 3 AND new.m <> 'x;y') EXECUTE FUNCTION trig('a;', 'b''c\'); CREATE CONSTRAINT TRIGGER ct AFTER DELETE ON add DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION trig();
CREATE TRIGGER trans AFTER UPDATE ON add REFERENCING OLD TABLE AS o NEW TABLE AS n FOR EACH STATEMENT EXECUTE FUNCTION trig(); CREATE TRIGGER pt AFTER INSERT ON parts FOR EACH ROW EXECUTE FUNCTION trig(); ALTER TABLE parts_1 DISABLE TRIGGER pt;
ALTER TABLE animals DISABLE TRIGGER "tr;1"; ALTER TABLE add ENABLE REPLICA TRIGGER trans; ALTER TABLE add ENABLE ALWAYS TRIGGER ct; CREATE TRIGGER iot INSTEAD OF UPDATE ON v FOR EACH ROW EXECUTE FUNCTION trig(); COMMENT ON TRIGGER ct ON add IS 't;';
ALTER TABLE animals ENABLE ROW LEVEL SECURITY; ALTER TABLE animals FORCE ROW LEVEL SECURITY; CREATE POLICY "po;l" ON animals AS RESTRICTIVE FOR UPDATE TO zoo_owner, "zoo ""reader" USING (n > 3) WITH CHECK ("na;me ""x" <> ';'); CREATE POLICY p2 ON add USING (true); COMMENT ON POLICY p2 ON add IS 'p';
CREATE EVENT TRIGGER et ON ddl_command_end WHEN TAG IN ('CREATE SEQUENCE') EXECUTE FUNCTION evtrig(); ALTER EVENT TRIGGER et ENABLE ALWAYS; COMMENT ON EVENT TRIGGER et IS 'e;'; CREATE EVENT TRIGGER et2 ON sql_drop EXECUTE FUNCTION evtrig(); ALTER EVENT TRIGGER et2 DISABLE;

-- Elsewhere
CREATE SERVER srv FOREIGN DATA WRAPPER postgres_fdw OPTIONS (host 'a;b', dbname 'x''y'); CREATE USER MAPPING FOR zoo_owner SERVER srv OPTIONS (user 'u', password 'p;''\'); CREATE USER MAPPING FOR PUBLIC SERVER srv;
CREATE FOREIGN TABLE ft (a int OPTIONS (column_name 'b;'), b text NOT NULL) SERVER srv OPTIONS (table_name 't;'); CREATE FOREIGN DATA WRAPPER fdw OPTIONS (debug 'true'); CREATE SERVER srv2 TYPE 't' VERSION '1' FOREIGN DATA WRAPPER fdw;
CREATE PUBLICATION pub FOR TABLE animals (id, m) WHERE (id > 3), cyc_a; CREATE PUBLICATION pub_all FOR ALL TABLES WITH (publish = 'insert'); CREATE PUBLICATION pub_s FOR TABLES IN SCHEMA zoo; COMMENT ON PUBLICATION pub IS 'p';
CREATE SUBSCRIPTION sub CONNECTION 'host=nowhere.invalid password=x;y' PUBLICATION pub WITH (connect = false, slot_name = NONE); COMMENT ON SUBSCRIPTION sub IS 's';
CREATE ACCESS METHOD heap2 TYPE TABLE HANDLER heap_tableam_handler; CREATE TABLE in_heap2 (a int) USING heap2; CREATE TABLE in_heap (a int PRIMARY KEY);

-- Owners and privileges
ALTER TABLE animals OWNER TO zoo_owner; ALTER FUNCTION "weird;""name$$"(int) OWNER TO "zoo ""reader"; ALTER TYPE mood OWNER TO zoo_owner; ALTER SCHEMA zoo OWNER TO zoo_owner; ALTER VIEW v OWNER TO zoo_owner; ALTER AGGREGATE total(int) OWNER TO zoo_owner; ALTER OPERATOR ~<> (int, int) OWNER TO zoo_owner;
GRANT ALL ON SCHEMA zoo TO zoo_member; GRANT SELECT (id, m), UPDATE ("na;me ""x") ON animals TO "zoo ""reader" WITH GRANT OPTION; GRANT SELECT ON v TO PUBLIC; REVOKE ALL ON FUNCTION atomic(int) FROM PUBLIC; GRANT EXECUTE ON PROCEDURE proc(int) TO zoo_owner; GRANT USAGE ON SEQUENCE sq TO zoo_owner; GRANT USAGE ON FOREIGN SERVER srv TO zoo_owner; GRANT USAGE ON TYPE mood TO zoo_member; REVOKE CREATE ON SCHEMA public FROM PUBLIC; GRANT SELECT ON pg_proc TO zoo_owner; GRANT EXECUTE ON FUNCTION pg_read_file(text) TO zoo_owner;
ALTER DEFAULT PRIVILEGES FOR ROLE zoo_owner IN SCHEMA zoo GRANT SELECT ON TABLES TO "zoo ""reader"; ALTER DEFAULT PRIVILEGES REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC; ALTER DEFAULT PRIVILEGES FOR ROLE zoo_owner GRANT ALL ON SCHEMAS TO zoo_member;
COMMENT ON FUNCTION "weird;""name$$"(int) IS $$; \'$$; COMMENT ON AGGREGATE total(int) IS 'a'; COMMENT ON OPERATOR @-+ (int, int) IS 'o'; COMMENT ON CAST (int AS pair) IS 'c'; COMMENT ON COLLATION german IS 'g'; COMMENT ON TEXT SEARCH CONFIGURATION cfg IS 't'; COMMENT ON SERVER srv IS 's'; COMMENT ON LANGUAGE zoolang IS 'l';

-- And many of the common ones
DO $$ BEGIN FOR i IN 1..150 LOOP
  EXECUTE format('CREATE TABLE zoo.%I (id int PRIMARY KEY, v text, parent int)', 'crowd;' || i || '"');
  EXECUTE format('CREATE INDEX ON zoo.%I (v)', 'crowd;' || i || '"');
  EXECUTE format('CREATE VIEW zoo.%I AS SELECT id, CASE WHEN v = %L THEN 1 END AS "end" FROM zoo.%I', 'view''' || i, ''';\' || i, 'crowd;' || i || '"');
  EXECUTE format('COMMENT ON TABLE zoo.%I IS %L', 'crowd;' || i || '"', E'x\n\\.\n;' || i);
  IF i > 1 THEN EXECUTE format('ALTER TABLE zoo.%I ADD FOREIGN KEY (parent) REFERENCES zoo.%I', 'crowd;' || i || '"', 'crowd;' || (i - 1) || '"'); END IF;
END LOOP; END $$;
