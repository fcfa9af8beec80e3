# Words that the scenarios use.

# mixed NAME PARTS: makes the mixed database, or one of so many parts of it
mixed() {
  createdb "$1"
  psql -Xqd "$1" -v ON_ERROR_STOP=1 -v narrow=$((NARROW / $2)) -v docs=$((DOCS / $2)) -v small=$((SMALL / $2)) -f "$MIXED" >/dev/null
}

# each_table FORMAT: a psql command for each table of the mixed database
each_table() {
  psql -XAtd mixed -v format="$1" <<<"select format(:'format', tablename) from pg_tables where schemaname = 'public';"
}

# begin_chain NAME: a full backup that incrementals of PostgreSQL follow, by rows where the database is called compared
begin_chain() {
  local by=$SERVER
  if [ "$1" = compared ]; then
    psql -Xqd postgres -c "do \$\$ begin create role plain login; grant pg_read_all_data to plain; exception when duplicate_object then end \$\$"
    by=$PLAIN
  fi
  rookery backup "$by" --to "$KEPT/root" --database "$1" --kind incremental
  settle
}

# churn NAME [recent]: changes one row in a hundred of the large tables, in 20 transactions; everywhere or among the newest
churn() {
  local n
  for n in {1..20}; do
    psql -Xqd "$1" -v ON_ERROR_STOP=1 -v narrow="$NARROW" -v docs="$DOCS" -v where="${2:-everywhere}" -f "$CHURN" >/dev/null
  done
  settle
}

# begin_limit NAME: a slot of its own, from which psql alone reads the changes that come now
begin_limit() {
  psql -Xqd postgres -c "select pg_drop_replication_slot(slot_name) from pg_replication_slots where slot_name = 'rookery_limit'" >/dev/null
  psql -Xqd "$1" -c "select pg_create_logical_replication_slot('rookery_limit', 'test_decoding')" >/dev/null
}

# end_limit NAME: notes how psql reads them
end_limit() {
  local end; end=$(psql -XAtqd "$1" -c "select pg_current_wal_insert_lsn()")
  echo "select lsn, data from pg_logical_slot_peek_changes('rookery_limit', '$end', null, 'include-timestamp', 'on', 'skip-empty-xacts', 'on')" >"$KEPT/limit"
}

# settle: what servers do by themselves within some minutes: they write their pages, and to the log what is under way
settle() {
  psql -Xqd postgres -c checkpoint
}

# drop_slots: ours, so that their databases can be dropped
drop_slots() {
  psql -Xqd postgres -c "select pg_drop_replication_slot(slot_name) from pg_replication_slots where slot_name like 'rookery%'" >/dev/null
}

# bank: what pgbench works on
bank() {
  createdb bank
  pgbench -iqs "$((ACCOUNTS / 100000 + 1))" bank 2>/dev/null
}

# transactions: as many each time, of pgbench's kind MIX: by default those that rarely change the same rows
transactions() {
  pgbench -b "${MIX:-simple-update}" -nc 8 -j 1 -t "$((TRANSACTIONS / 8))" bank >/dev/null
}

# meanwhile COMMANDS: transactions, and the commands again and again until these have ended
meanwhile() {
  rm -f "$KEPT/enough"
  touch "$KEPT/busy"
  { while [ ! -e "$KEPT/enough" ]; do eval "$1" || touch "$KEPT/failed"; done; rm "$KEPT/busy"; } >/dev/null &
  transactions
  touch "$KEPT/enough"
  [ ! -e "$KEPT/failed" ]
}

# quiet: waits for the last of the commands
quiet() {
  while [ -e "$KEPT/busy" ]; do sleep 0.1; done
  settle
}

# items: one table of SQLite
items() {
  mkdir "$KEPT/dbs"
  sqlite3 "$KEPT/dbs/big.db" "create table item(id integer primary key, name text not null, price real, body text, data blob);
with recursive n(i) as (select 1 union all select i + 1 from n where i < $ITEMS)
insert into item select i, 'item ' || i, i / 7.0, hex(randomblob(40)) || ' the rook and the raven share one tree and fly home at night', randomblob(40) from n;
create index item_name on item(name);"
}

# churn_items: changes one row in a hundred of them
churn_items() {
  sqlite3 "$KEPT/dbs/big.db" "begin;
with recursive n(i) as (select 1 union all select i + 1 from n where i < $ITEMS * 0.008)
update item set price = price + 1, data = randomblob(40) where id in (select abs(random()) % $ITEMS from n);
with recursive n(i) as (select 1 union all select i + 1 from n where i < $ITEMS * 0.001)
insert into item(name, price, body, data) select 'more ' || i, i / 7.0, hex(randomblob(40)), randomblob(40) from n;
with recursive n(i) as (select 1 union all select i + 1 from n where i < $ITEMS * 0.001)
delete from item where id in (select abs(random()) % $ITEMS from n);
commit;"
}
