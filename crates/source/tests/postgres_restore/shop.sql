create extension if not exists plpgsql;
create schema sales; create type sales.mood as enum('sad','ok','happy'); create domain sales.pos as numeric check (value >= 0);
create table sales.customer(id bigint generated always as identity primary key, name text not null, born date, m sales.mood, tags text[], doc jsonb, raw json, bin bytea, bal sales.pos, r float8, span interval, ip inet, u uuid, at timestamptz default now(), full_name text generated always as (name || '!') stored);
insert into sales.customer(name,born,m,tags,doc,raw,bin,bal,r,span,ip,u)
 select E'n\n\\.\t"'||i||chr(128000+i%50), date '0044-03-15 BC' + i, (array['sad','ok','happy']::sales.mood[])[1+i%3], array['a','b,"c',null], jsonb_build_object('i',i,'n',null), '{"a" : 1,  "a":2}', decode(md5(i::text),'hex'), i/7.0, (array['NaN','Infinity','-0','1e-300']::float8[])[1+i%4], make_interval(secs=>i), '10.0.0.1', md5(i::text)::uuid
 from generate_series(1,20000) i;
create index on sales.customer using gin(doc); create unique index on sales.customer(lower(name));
create table sales.orders(id int, customer bigint references sales.customer, day date not null, note text) partition by range(day);
create table sales.orders_1 partition of sales.orders for values from ('2020-01-01') to ('2021-01-01'); create table sales.orders_2 partition of sales.orders default;
insert into sales.orders select i, 1+i%20000, date '2020-06-01'+i%900, repeat('x',i%3000) from generate_series(1,30000) i;
create table nokey(a int, b text); insert into nokey select i%10, null from generate_series(1,1000) i;
create unlogged table scratch(a int); create table "select ""x"" from"("a b" int); create sequence s start 42 increment 7; select nextval('s'),nextval('s');
create view v as select m,count(*) from sales.customer group by 1; create materialized view mv as select * from v;
create function f() returns trigger language plpgsql as $$ begin new.note := coalesce(new.note,'') || '!'; return new; end $$;
create trigger tr before insert on sales.orders_1 for each row execute function f(); alter table nokey enable row level security; create policy p on nokey using (a > 3);
comment on table nokey is E'it''s\na comment'; select lo_from_bytea(0, decode('c0ffee','hex'));
