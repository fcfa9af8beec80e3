-- One big narrow table, one wide table of text and jsonb, and many small ones. Variables: narrow, docs, small (rows, rows, tables).
-- The same rows each time: figures of two runs are about the same database.
select setseed(0.42);
create table accounts(aid int primary key, bid int, abalance int, filler char(84));
insert into accounts select i, 1 + i / 100000, (i::bigint * 7919) % 100000, '' from generate_series(1, :narrow) i;

-- Two fifths of a document are hex digits, which only shrink by half; the rest are words, which repeat.
create table docs(id bigint primary key, title text not null, body text, doc jsonb, changed timestamptz);
insert into docs
select i, 'Report ' || i,
       concat_ws(' The rook and the raven share one tall old tree behind the mill, and quarrel there about the weather until the light is gone. ',
                 encode(sha256(int8send(i * 4)), 'hex'), encode(sha256(int8send(i * 4 + 1)), 'hex'),
                 encode(sha256(int8send(i * 4 + 2)), 'hex'), encode(sha256(int8send(i * 4 + 3)), 'hex'), i),
       jsonb_build_object('id', i, 'name', md5(i::text), 'tags', jsonb_build_array('alpha', 'beta', i % 17), 'score', random(),
                          'note', encode(sha512(int8send(-i)), 'hex'), 'state', (array['open', 'waiting', 'done'])[1 + i % 3],
                          'more', jsonb_build_object('a', null, 'even', i % 2 = 0, 'comment', 'seen by the night watch, nothing to report')),
       timestamptz '2024-01-01' + i * interval '37 seconds'
from generate_series(1::bigint, :docs) i;
create index on docs(changed);

select format('create table small_%s as select i as id, md5((i::bigint * %s)::text) as name, i / 7.0 as amount, date ''2020-01-01'' + i %% 900 as at from generate_series(1, 500) i', n, n)
from generate_series(1, :small) n \gexec
select format('alter table small_%s add primary key (id)', n) from generate_series(1, :small) n \gexec
vacuum analyze;
