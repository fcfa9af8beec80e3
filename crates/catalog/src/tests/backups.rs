use super::fixture::{Opened, at, audit, backup, destination};
use crate::{BackupRecord, DestinationRecord, SpaceRecord};
use domain::Code;

async fn vault() -> (Opened, DestinationRecord) {
    let (opened, vault) = (Opened::new().await, destination("vault"));
    opened.insert_destination(&vault, &audit()).await.unwrap();
    (opened, vault)
}

#[tokio::test]
async fn a_reading_adds_changes_and_forgets() {
    let (opened, vault) = vault().await;
    let [first, second, third] = [0, 1, 2].map(|hour| backup(vault.id, "orders", at(hour * 60)));
    opened.replace_backups(vault.id, &[first.clone(), second.clone()], at(200)).await.unwrap();
    assert_eq!(opened.backups_of(vault.id, None).await.unwrap(), [second.clone(), first]);

    let damaged = BackupRecord { fault: Some("Its manifest is damaged.".into()), size_bytes: None, ..second.clone() };
    opened.replace_backups(vault.id, &[damaged.clone(), third.clone()], at(201)).await.unwrap();
    assert_eq!(opened.backups_of(vault.id, Some("orders")).await.unwrap(), [third.clone(), damaged]);

    // The fault was the reading's own: the next one that finds none takes it back.
    opened.replace_backups(vault.id, &[second.clone(), third.clone()], at(202)).await.unwrap();
    assert_eq!(opened.backups_of(vault.id, Some("orders")).await.unwrap(), [third, second]);
    assert!(opened.backups_of(vault.id, Some("other")).await.unwrap().is_empty());
}

#[tokio::test]
async fn what_a_verification_found_outlives_later_readings() {
    let (opened, vault) = vault().await;
    let [damaged, proven] = [0, 1].map(|hour| backup(vault.id, "orders", at(hour * 60)));
    let found = [damaged.clone(), proven.clone()];
    opened.replace_backups(vault.id, &found, at(100)).await.unwrap();
    opened.set_fault(vault.id, &damaged.folder, damaged.label, "A byte differs.", at(150)).await.unwrap();
    opened.set_proven(vault.id, &proven.folder, proven.label, at(150)).await.unwrap();
    let known = [
        BackupRecord { proven_at: Some(at(150)), checked_at: at(150), ..proven.clone() },
        BackupRecord { fault: Some("A byte differs.".into()), checked_at: at(150), ..damaged.clone() },
    ];
    opened.replace_backups(vault.id, &found, at(200)).await.unwrap();
    assert_eq!(opened.backups_of(vault.id, None).await.unwrap(), known);
    opened.upsert_backup(&damaged).await.unwrap();
    assert_eq!(opened.backups_of(vault.id, None).await.unwrap(), known);

    // A copy brought back by hand, and verified: it is good again.
    opened.set_checked(vault.id, &damaged.folder, damaged.label, at(300)).await.unwrap();
    opened.replace_backups(vault.id, &found, at(310)).await.unwrap();
    assert_eq!(opened.backups_of(vault.id, None).await.unwrap()[1], BackupRecord { checked_at: at(300), ..damaged });
}

#[tokio::test]
async fn a_backup_made_while_a_reading_was_under_way_is_not_forgotten() {
    let (opened, vault) = vault().await;
    let made = BackupRecord { checked_at: at(11), ..backup(vault.id, "orders", at(9)) };
    opened.upsert_backup(&made).await.unwrap();
    opened.replace_backups(vault.id, &[], at(10)).await.unwrap();
    assert_eq!(opened.backups_of(vault.id, None).await.unwrap(), [made]);
    opened.replace_backups(vault.id, &[], at(12)).await.unwrap();
    assert!(opened.backups_of(vault.id, None).await.unwrap().is_empty());
}

#[tokio::test]
async fn facts_tell_of_good_backups_alone_wherever_they_are() {
    let (opened, vault) = vault().await;
    let other = destination("other");
    opened.insert_destination(&other, &audit()).await.unwrap();
    let good = backup(vault.id, "orders", at(0));
    let records = [
        BackupRecord { proven_at: Some(at(5)), ..good.clone() },
        backup(other.id, "orders", at(60)),
        BackupRecord { trusted: false, ..backup(vault.id, "orders", at(120)) },
        BackupRecord { fault: Some("Damaged.".into()), ..backup(vault.id, "orders", at(180)) },
        BackupRecord { server_instance: None, ..backup(vault.id, "orders", at(240)) },
        BackupRecord { server_instance: Some("another".into()), size_bytes: None, ..backup(vault.id, "orders", at(300)) },
    ];
    for record in &records {
        opened.upsert_backup(record).await.unwrap();
    }
    let facts = opened.backup_facts("instance of shop").await.unwrap();
    let told: Vec<_> = facts.iter().map(|fact| (fact.points, fact.last_good, fact.last_proven, fact.destination)).collect();
    assert_eq!(told, [(2, at(60), Some(at(5)), other.id)]);
    assert_eq!(opened.all_backup_facts().await.unwrap().len(), 2);
    let mut space = opened.space_per_destination().await.unwrap();
    space.sort_by_key(|space| space.destination);
    assert_eq!(
        space,
        [
            SpaceRecord { destination: vault.id, bytes: 4000, backups: 5, databases: 1 },
            SpaceRecord { destination: other.id, bytes: 1000, backups: 1, databases: 1 },
        ]
    );
}

#[tokio::test]
async fn a_destination_that_is_gone_takes_its_backups_along() {
    let (opened, vault) = vault().await;
    let record = backup(vault.id, "orders", at(0));
    opened.upsert_backup(&record).await.unwrap();
    opened.delete_destination(vault.id, &audit()).await.unwrap();
    assert!(opened.all_backup_facts().await.unwrap().is_empty());
    assert_eq!(opened.upsert_backup(&record).await.unwrap_err().code(), Code::Conflict);
}
