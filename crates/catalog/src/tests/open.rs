use super::fixture::{Opened, audit, server};
use crate::Catalog;
use domain::Code;
use std::os::unix::fs::PermissionsExt;

#[tokio::test]
async fn what_is_stored_is_there_after_it_was_opened_again_and_is_for_its_owner_alone() {
    let opened = Opened::new().await;
    opened.insert_server(&server("shop"), &audit()).await.unwrap();
    for file in std::fs::read_dir(opened.folder()).unwrap() {
        let file = file.unwrap();
        assert_eq!(file.metadata().unwrap().permissions().mode() & 0o077, 0, "{:?}", file.file_name());
    }
    let again = Catalog::open(opened.address()).await.unwrap();
    assert_eq!(again.servers().await.unwrap().len(), 1);
    again.ready().await.unwrap();
    again.close().await;
    assert_eq!(again.ready().await.unwrap_err().code(), Code::Catalog);
    opened.ready().await.unwrap();
}

#[tokio::test]
async fn an_address_that_is_none_and_a_file_that_is_none_are_told() {
    for address in ["", "catalog.db", "sqlite:", "sqlite::memory:", "sqlite:a?mode=ro", "mysql://localhost"] {
        assert_eq!(Catalog::open(address).await.unwrap_err().code(), Code::Usage, "{address}");
    }
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("catalog.db");
    std::fs::write(&file, "This is a text, and it is longer than the head of a database file has to be to be one.").unwrap();
    assert_eq!(Catalog::open(&format!("sqlite:{}", file.display())).await.unwrap_err().code(), Code::Catalog);
    assert_eq!(Catalog::open(&format!("sqlite:{}/no/catalog.db", folder.path().display())).await.unwrap_err().code(), Code::Catalog);
}

#[tokio::test]
async fn the_catalog_of_a_newer_version_is_left_alone() {
    let opened = Opened::new().await;
    let mut write = opened.begin().await.unwrap();
    let newer =
        "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) VALUES (9999, 'later', TRUE, x'00', 1)";
    sqlx::query(newer).execute(write.on()).await.unwrap();
    write.commit().await.unwrap();
    let error = Catalog::open(opened.address()).await.unwrap_err();
    assert!(error.code() == Code::Catalog && error.to_string().contains("newer version"), "{error}");
}

#[tokio::test]
async fn many_writers_and_readers_do_not_disturb_each_other() {
    let opened = Opened::new().await;
    let second = Catalog::open(opened.address()).await.unwrap();
    let all = (0..40).map(|number| {
        let catalog = if number % 2 == 0 { (*opened).clone() } else { second.clone() };
        tokio::spawn(async move {
            catalog.insert_server(&server(&format!("server {number}")), &audit()).await?;
            catalog.servers().await
        })
    });
    for one in all.collect::<Vec<_>>() {
        one.await.unwrap().unwrap();
    }
    assert_eq!(opened.servers().await.unwrap().len(), 40);
    assert_eq!(opened.audit_page("", 1).await.unwrap().total, 40);
}

#[tokio::test]
async fn a_catalog_for_tests_is_whole_and_forgets() {
    let catalog = Catalog::in_memory().await.unwrap();
    catalog.insert_server(&server("shop"), &audit()).await.unwrap();
    assert_eq!(catalog.clone().servers().await.unwrap().len(), 1);
    catalog.ready().await.unwrap();
    assert!(Catalog::in_memory().await.unwrap().servers().await.unwrap().is_empty());
}
