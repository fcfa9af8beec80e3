//! Rules of tasks, held chains, and what was deleted.

use super::fixture::{Opened, at, audit, backup, destination, server};
use crate::{ExpiredRecord, ExpiryRecord, HoldRecord};
use domain::{Code, DestinationId, Error, ServerId};

fn expired(server: ServerId, destination: DestinationId, folder: &str) -> ExpiredRecord {
    ExpiredRecord {
        server,
        destination,
        database: "orders".into(),
        folder: folder.into(),
        from_at: at(0),
        to_at: at(10),
        backups: 2,
        size_bytes: 2000,
        reason: "No rule keeps it.".into(),
        actor: "console".into(),
        began_at: at(100),
        ended_at: None,
        error: None,
    }
}

#[tokio::test]
async fn the_rule_of_a_task_is_kept_with_it() {
    let opened = Opened::new().await;
    let mut task = opened.with_task().await;
    assert_eq!(opened.task(task.id).await.unwrap().task.retention.unwrap().to_string(), "days=30,count=5");
    task.task.retention = None;
    opened.update_task(&task, &audit()).await.unwrap();
    assert_eq!(opened.task(task.id).await.unwrap().task.retention, None);
}

#[tokio::test]
async fn a_chain_is_held_until_it_is_released() {
    let opened = Opened::new().await;
    let vault = destination("vault");
    opened.insert_destination(&vault, &audit()).await.unwrap();
    let hold =
        HoldRecord { destination: vault.id, folder: "a/b".into(), note: "For the auditor".into(), held_by: "ada".into(), held_at: at(1) };
    opened.hold(&hold, &audit()).await.unwrap();
    let anew = HoldRecord { note: "Longer".into(), held_at: at(2), ..hold };
    opened.hold(&anew, &audit()).await.unwrap();
    assert_eq!(opened.holds_at(vault.id).await.unwrap(), [anew]);
    opened.release(vault.id, "a/b", &audit()).await.unwrap();
    assert_eq!(opened.holds_at(vault.id).await.unwrap(), []);
    assert_eq!(opened.release(vault.id, "a/b", &audit()).await.unwrap_err().code(), Code::NotFound);
}

#[tokio::test]
async fn what_goes_is_written_down_before_and_its_backups_are_forgotten_after() {
    let opened = Opened::new().await;
    let (apps, vault) = (server("apps"), destination("vault"));
    opened.insert_server(&apps, &audit()).await.unwrap();
    opened.insert_destination(&vault, &audit()).await.unwrap();
    let (old, new) = (backup(vault.id, "orders", at(0)), backup(vault.id, "orders", at(60)));
    for one in [&old, &new] {
        opened.upsert_backup(one).await.unwrap();
    }
    let chain = expired(apps.id, vault.id, &old.folder);
    let id = opened.begin_expiry(&chain, &audit()).await.unwrap();
    assert_eq!(opened.expired_of(apps.id, vault.id, 9).await.unwrap(), std::slice::from_ref(&chain));
    let told = Error::new(Code::RootUnusable, "It cannot be written.", "Mend it.").told().clone();
    opened.fail_expiry(&id, &told, &audit()).await.unwrap();
    assert_eq!(opened.expired_of(apps.id, vault.id, 9).await.unwrap()[0].error, Some(told));
    assert_eq!(opened.backups_of(vault.id, None).await.unwrap().len(), 2);

    let id = opened.begin_expiry(&ExpiredRecord { began_at: at(200), ..chain.clone() }, &audit()).await.unwrap();
    opened.end_expiry(&id, &chain, at(201)).await.unwrap();
    assert_eq!(opened.expired_of(apps.id, vault.id, 1).await.unwrap()[0].ended_at, Some(at(201)));
    assert_eq!(opened.backups_of(vault.id, None).await.unwrap(), [new]);
    assert_eq!(opened.delete_expired_before(at(150)).await.unwrap(), 1);
}

#[tokio::test]
async fn a_look_that_failed_leaves_the_last_that_did_not() {
    let opened = Opened::new().await;
    let (apps, vault) = (server("apps"), destination("vault"));
    opened.insert_server(&apps, &audit()).await.unwrap();
    opened.insert_destination(&vault, &audit()).await.unwrap();
    assert_eq!(opened.expiry(apps.id, vault.id).await.unwrap(), None);
    let good = ExpiryRecord {
        server: apps.id,
        destination: vault.id,
        tried_at: at(1),
        done_at: Some(at(1)),
        chains: 3,
        size_bytes: 4000,
        error: None,
    };
    opened.set_expiry(&good).await.unwrap();
    let told = Error::new(Code::RootUnusable, "It cannot be read.", "Mend it.").told().clone();
    let bad = ExpiryRecord { tried_at: at(2), done_at: None, chains: 0, size_bytes: 0, error: Some(told), ..good };
    opened.set_expiry(&bad).await.unwrap();
    assert_eq!(opened.expiries().await.unwrap(), [ExpiryRecord { done_at: Some(at(1)), ..bad }]);
}

#[tokio::test]
async fn a_suspicious_backup_is_no_good_one_and_is_told_while_it_is_the_newest() {
    let opened = Opened::new().await;
    let vault = destination("vault");
    opened.insert_destination(&vault, &audit()).await.unwrap();
    opened.upsert_backup(&backup(vault.id, "orders", at(0))).await.unwrap();
    let odd = crate::BackupRecord { suspicion: Some("It is far smaller.".into()), ..backup(vault.id, "orders", at(60)) };
    opened.upsert_backup(&odd).await.unwrap();
    let facts = opened.backup_facts("instance of shop").await.unwrap();
    assert_eq!((facts[0].points, facts[0].last_good), (1, at(0)));
    assert_eq!(opened.suspicious_backups().await.unwrap(), [odd]);
    opened.upsert_backup(&backup(vault.id, "orders", at(120))).await.unwrap();
    assert_eq!(opened.suspicious_backups().await.unwrap(), []);
}
