//! What a chain does when nobody disturbs it.

use crate::chain::{Came, Chain, filled, server};

#[test]
fn changes_are_followed_and_restored() {
    let database = filled(
        r#"create table t(id int primary key, a text, b jsonb, c numeric, d bool, e bytea);
        insert into t select i, 'x' || i, jsonb_build_object('i', i), i / 3.0, i % 2 = 0, decode(md5(i::text), 'hex') from generate_series(1, 100) i;
        create table "select ""x"" from"("a b" int primary key, "quo'te]:" text[]); create sequence s;"#,
    );
    let mut chain = Chain::begin(server(), &database);
    assert_eq!(chain.incremental().unwrap(), Came::Unchanged);
    chain.sql(
        r#"insert into t values (101, E'a\n\t''"\\é', '"x"', 'NaN', null, ''); update t set a = a || '!' where id < 10; delete from t where id = 50;
        update t set id = id + 1000 where id between 60 and 65; insert into "select ""x"" from" values (1, array['a,b', null, 'q''"\']); select nextval('s'), nextval('s')"#,
    );
    assert_eq!(chain.incremental().unwrap(), Came::Changes);
    let counted = chain.last().summary.changes.unwrap();
    assert_eq!((counted.inserts, counted.updates, counted.deletes, counted.transactions), (2, 15, 1, 5));
    assert_eq!(chain.whole(), [""; 0]);
    chain.check();
    assert_eq!(chain.incremental().unwrap(), Came::Unchanged);
    chain.sql("begin; insert into t(id) values (2000); delete from t where id = 2000; commit; select nextval('s')");
    assert_eq!(chain.incremental().unwrap(), Came::Changes);
    chain.check();
}
