-- A twentieth of one row in a hundred: eight of ten updated, one inserted, one deleted. Variables: narrow, docs (rows), and where:
-- everywhere, or recent for rows among the newest tenth.
select case :'where' when 'recent' then 0.9 else 0 end as least \gset
begin;
update accounts set abalance = abalance + 1
where aid in (select 1 + ((:least + random() * (1 - :least)) * :narrow)::int from generate_series(1, :narrow / 2500));
insert into accounts select (select max(aid) from accounts) + i, i, 0, '' from generate_series(1, :narrow / 20000) i;
delete from accounts where aid in (select 1 + ((:least + random() * (1 - :least)) * :narrow)::int from generate_series(1, :narrow / 20000));
update docs set title = 'Revised ' || id, changed = now()
where id in (select 1 + ((:least + random() * (1 - :least)) * :docs)::bigint from generate_series(1, :docs / 2500));
insert into docs
select (select max(id) from docs) + i, 'New ' || i, 'The raven came at dawn.', jsonb_build_object('id', i), now() from generate_series(1, :docs / 20000) i;
delete from docs where id in (select 1 + ((:least + random() * (1 - :least)) * :docs)::bigint from generate_series(1, :docs / 20000));
commit;
