use super::fixture::{Opened, at, audit, backup, destination};
use crate::{BackupRecord, DestinationRecord, SpaceRecord};
use domain::{Code, Destination};

async fn vault() -> (Opened, DestinationRecord) {
    let (opened, vault) = (Opened::new().await, destination("vault"));
    opened.insert_destination(&vault, &audit()).await.unwrap();
    (opened, vault)
}

#[tokio::test]
async fn a_reading_adds_changes_and_forgets() {
    let (opened, vault) = vault().await;
    let [first, second, third] = [0, 1, 2].map(|hour| backup(vault.id, "orders", at(hour * 60)));
    opened.replace_backups(&vault, &[first.clone(), second.clone()], at(200)).await.unwrap();
    assert_eq!(opened.backups_of(vault.id, None).await.unwrap(), [second.clone(), first]);

    let damaged = BackupRecord { read_fault: Some("Its manifest is damaged.".into()), size_bytes: None, ..second.clone() };
    opened.replace_backups(&vault, &[damaged.clone(), third.clone()], at(201)).await.unwrap();
    assert_eq!(opened.backups_of(vault.id, Some("orders")).await.unwrap(), [third.clone(), damaged]);

    // The fault was the reading's own: the next one that finds none takes it back.
    opened.replace_backups(&vault, &[second.clone(), third.clone()], at(202)).await.unwrap();
    assert_eq!(opened.backups_of(vault.id, Some("orders")).await.unwrap(), [third, second]);
    assert!(opened.backups_of(vault.id, Some("other")).await.unwrap().is_empty());
}

#[tokio::test]
async fn what_a_verification_found_outlives_later_readings() {
    let (opened, vault) = vault().await;
    let [damaged, proven] = [0, 1].map(|hour| backup(vault.id, "orders", at(hour * 60)));
    let found = [damaged.clone(), proven.clone()];
    opened.replace_backups(&vault, &found, at(100)).await.unwrap();
    opened.set_fault(vault.id, &damaged.folder, damaged.label, "A byte differs.", at(150)).await.unwrap();
    opened.set_proven(vault.id, &proven.folder, proven.label, at(150)).await.unwrap();
    let known = [
        BackupRecord { proven_at: Some(at(150)), checked_at: at(150), ..proven.clone() },
        BackupRecord { verify_fault: Some("A byte differs.".into()), checked_at: at(150), ..damaged.clone() },
    ];
    opened.replace_backups(&vault, &found, at(200)).await.unwrap();
    assert_eq!(opened.backups_of(vault.id, None).await.unwrap(), known);
    opened.upsert_backup(&damaged).await.unwrap();
    assert_eq!(opened.backups_of(vault.id, None).await.unwrap(), known);

    // A copy brought back by hand, and verified: it is good again.
    opened.set_checked(vault.id, &damaged.folder, damaged.label, at(300)).await.unwrap();
    opened.replace_backups(&vault, &found, at(310)).await.unwrap();
    assert_eq!(opened.backups_of(vault.id, None).await.unwrap()[1], BackupRecord { checked_at: at(300), ..damaged });
}

#[tokio::test]
async fn what_one_reading_missed_is_good_again_when_the_next_one_finds_it() {
    let (opened, vault) = vault().await;
    // The run that made it looked at its bytes later than at its own moment, which is all that readings know.
    let made = BackupRecord { checked_at: at(3), ..backup(vault.id, "orders", at(0)) };
    opened.upsert_backup(&made).await.unwrap();
    let found = backup(vault.id, "orders", at(0));
    let missing = BackupRecord { read_fault: Some("Its archive is missing.".into()), ..found.clone() };
    opened.replace_backups(&vault, std::slice::from_ref(&missing), at(10)).await.unwrap();
    assert_eq!(opened.backups_of(vault.id, None).await.unwrap()[0].fault(), Some("Its archive is missing."));
    assert!(opened.backup_facts("instance of shop").await.unwrap().is_empty());
    opened.replace_backups(&vault, std::slice::from_ref(&found), at(20)).await.unwrap();
    assert_eq!(opened.backups_of(vault.id, None).await.unwrap(), [made]);
    assert_eq!(opened.backup_facts("instance of shop").await.unwrap()[0].points, 1);

    // Found by both: the reading takes back its own part.
    opened.set_fault(vault.id, &found.folder, found.label, "A byte differs.", at(30)).await.unwrap();
    opened.replace_backups(&vault, &[missing], at(40)).await.unwrap();
    opened.replace_backups(&vault, std::slice::from_ref(&found), at(50)).await.unwrap();
    assert_eq!(opened.backups_of(vault.id, None).await.unwrap()[0].fault(), Some("A byte differs."));
    opened.set_proven(vault.id, &found.folder, found.label, at(60)).await.unwrap();
    assert_eq!(opened.backups_of(vault.id, None).await.unwrap()[0].fault(), None);
}

#[tokio::test]
async fn a_destination_at_another_place_has_nothing_of_the_old_one() {
    let (opened, vault) = vault().await;
    let record = backup(vault.id, "orders", at(0));
    opened.replace_backups(&vault, std::slice::from_ref(&record), at(1)).await.unwrap();
    opened.set_read(&vault, at(1), None).await.unwrap();
    assert!(opened.knows_backups_at(vault.id).await.unwrap());
    opened.update_destination(&DestinationRecord { note: "on the shelf".into(), ..vault.clone() }, &audit()).await.unwrap();
    let noted = opened.destination(vault.id).await.unwrap();
    assert!(opened.knows_backups_at(vault.id).await.unwrap() && noted.read_at == Some(at(1)), "a note moves nothing");

    let elsewhere = Destination::Local { root: "/srv/elsewhere".into() };
    let stale = DestinationRecord { destination: elsewhere.clone(), ..vault.clone() };
    assert_eq!(opened.update_destination(&stale, &audit()).await.unwrap_err().code(), Code::Conflict);
    assert!(opened.knows_backups_at(vault.id).await.unwrap(), "a change that is refused forgets nothing");
    opened.update_destination(&DestinationRecord { destination: elsewhere, ..noted }, &audit()).await.unwrap();
    let moved = opened.destination(vault.id).await.unwrap();
    assert!(!opened.knows_backups_at(vault.id).await.unwrap() && moved.read_at.is_none());

    // A reading of the old place that ends only now brings nothing back.
    opened.replace_backups(&vault, &[record], at(2)).await.unwrap();
    assert_eq!(opened.set_read(&vault, at(2), None).await.unwrap_err().code(), Code::NotFound);
    assert!(!opened.knows_backups_at(vault.id).await.unwrap());
    opened.set_read(&moved, at(3), None).await.unwrap();
}

#[tokio::test]
async fn a_backup_made_while_a_reading_was_under_way_is_not_forgotten() {
    let (opened, vault) = vault().await;
    let made = BackupRecord { checked_at: at(11), ..backup(vault.id, "orders", at(9)) };
    opened.upsert_backup(&made).await.unwrap();
    opened.replace_backups(&vault, &[], at(10)).await.unwrap();
    assert_eq!(opened.backups_of(vault.id, None).await.unwrap(), [made]);
    opened.replace_backups(&vault, &[], at(12)).await.unwrap();
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
        BackupRecord { read_fault: Some("Damaged.".into()), ..backup(vault.id, "orders", at(180)) },
        BackupRecord { verify_fault: Some("Damaged.".into()), ..backup(vault.id, "orders", at(185)) },
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

    // A clone of the server has the same instance, and is told apart by its name.
    let clone = BackupRecord { server_name: Some("clone".into()), ..backup(other.id, "orders", at(400)) };
    opened.upsert_backup(&clone).await.unwrap();
    let mut facts = opened.backup_facts("instance of shop").await.unwrap();
    facts.sort_by_key(|fact| fact.points);
    let told: Vec<_> = facts.iter().map(|fact| (fact.server_name.as_deref(), fact.points)).collect();
    assert_eq!(told, [(Some("clone"), 1), (Some("shop"), 2)]);
    let both = facts[1].clone().with(&facts[0]);
    assert_eq!((both.points, both.last_good, both.last_proven), (3, at(400), Some(at(5))));
    let mut space = opened.space_per_destination().await.unwrap();
    space.sort_by_key(|space| space.destination);
    assert_eq!(
        space,
        [
            SpaceRecord { destination: vault.id, bytes: 5000, backups: 6, databases: 1 },
            SpaceRecord { destination: other.id, bytes: 2000, backups: 2, databases: 1 },
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
