//! Faults in what an incremental builds on.

use super::{
    Case, Make, case,
    kit::{Kit, Root, full, label, shorten},
    manifests::{FOLDER, SHA256},
};
use domain::Code::{BadSignature, Damaged};
use repository::{Manifest, Place, Prior};
use sha2::{Digest, Sha256};

/// An incremental that builds on the good backup, in its folder.
fn incremental(kit: &Kit, root: &mut Root, change: impl FnOnce(&mut Manifest, &mut Root)) {
    incremental_at(kit, root, label("05-00-00", "incremental"), change);
}

fn incremental_at(kit: &Kit, root: &mut Root, label: domain::Label, change: impl FnOnce(&mut Manifest, &mut Root)) {
    let prior = Prior { label: full().label(), manifest_sha256: hex::encode(Sha256::digest(&root.manifest)) };
    let full_manifest = std::mem::take(&mut root.manifest);
    root.others.insert(full().manifest().unwrap().as_str().into(), full_manifest);
    root.others.insert(full().archive(true).unwrap().as_str().into(), kit.good.clone());
    let mut manifest = kit.manifest(&kit.good);
    (manifest.label, manifest.kind, manifest.prior) = (label, label.kind(), Some(prior));
    manifest.archive.name = format!("{label}.zip.sealed");
    root.place = Place::of_manifest(&full().folder().join(&format!("{label}.json")).unwrap()).unwrap();
    change(&mut manifest, root);
    root.manifest = manifest.sign(&kit.instance).unwrap();
}

/// Takes away what the good backup is made of.
fn without(root: &mut Root, ending: &str) {
    let name = format!("{}/{}{ending}", full().folder(), full().label());
    root.others.remove(&name).unwrap();
}

pub const CASES: &[Case] = &[
    case(
        "an incremental whose prior is missing",
        Damaged,
        "whose manifest is missing",
        Make::Root(|kit, root| {
            incremental(kit, root, |_, root| {
                without(root, ".json");
                without(root, ".zip.sealed")
            })
        }),
    ),
    case(
        "an incremental whose prior's manifest alone is missing",
        Damaged,
        "whose manifest is missing",
        Make::Root(|kit, root| incremental(kit, root, |_, root| without(root, ".json"))),
    ),
    case(
        "an incremental whose prior's archive is missing",
        Damaged,
        "builds on 2026-11-22-03-00-00Z.full-backup, which cannot be used",
        Make::Root(|kit, root| incremental(kit, root, |_, root| without(root, ".zip.sealed"))),
    ),
    case(
        "an incremental whose prior's archive is cut",
        Damaged,
        "cut short or replaced",
        Make::Root(|kit, root| {
            incremental(kit, root, |_, root| shorten(root.others.values_mut().find(|bytes| **bytes == kit.good).unwrap()))
        }),
    ),
    case(
        "an incremental on another manifest",
        Damaged,
        "builds on another 2026-11-22-03-00-00Z.full-backup",
        Make::Root(|kit, root| incremental(kit, root, |manifest, _| prior(manifest).manifest_sha256 = "00".repeat(32))),
    ),
    case(
        "an incremental whose prior was signed anew",
        Damaged,
        "builds on another 2026-11-22-03-00-00Z.full-backup",
        Make::Root(|kit, root| incremental(kit, root, |_, root| exchanged(kit, root))),
    ),
    case(
        "an incremental on a manifest that was changed",
        BadSignature,
        "which cannot be used. The manifest's signature",
        Make::Root(|kit, root| incremental(kit, root, |manifest, root| broken(kit, manifest, root))),
    ),
    case(
        "an incremental on another label",
        Damaged,
        "whose manifest is missing",
        Make::Root(|kit, root| incremental(kit, root, |manifest, _| prior(manifest).label = label("03-00-01", "full"))),
    ),
    case(
        "an incremental on itself",
        Damaged,
        "not older",
        Make::Root(|kit, root| incremental(kit, root, |manifest, _| prior(manifest).label = manifest.label)),
    ),
    case(
        "an incremental on a later one",
        Damaged,
        "not older",
        Make::Root(|kit, root| incremental(kit, root, |manifest, _| prior(manifest).label = label("06-00-00", "incremental"))),
    ),
    case(
        "an incremental on nothing",
        Damaged,
        "does not name the one",
        Make::Root(|kit, root| incremental(kit, root, |manifest, _| manifest.prior = None)),
    ),
    case(
        "an incremental on a hash that is none",
        Damaged,
        SHA256,
        Make::Root(|kit, root| incremental(kit, root, |manifest, _| prior(manifest).manifest_sha256 = "none".into())),
    ),
    case(
        "an incremental of another database",
        Damaged,
        FOLDER,
        Make::Root(|kit, root| incremental(kit, root, |manifest, _| manifest.database = "till".into())),
    ),
    case(
        "an incremental of another server",
        Damaged,
        FOLDER,
        Make::Root(|kit, root| incremental(kit, root, |manifest, _| manifest.server.name = "db2".into())),
    ),
    case(
        "an incremental that is older than its folder",
        Damaged,
        "not older",
        Make::Root(|kit, root| incremental_at(kit, root, label("02-00-00", "incremental"), |_, _| {})),
    ),
    case(
        "an incremental on an incremental whose prior is missing",
        Damaged,
        "which cannot be used. The backup 2026-11-22-04-00-00Z",
        Make::Root(|kit, root| longer(kit, root, |root| without(root, ".json"))),
    ),
];

fn prior(manifest: &mut Manifest) -> &mut Prior {
    manifest.prior.as_mut().unwrap()
}

/// The prior's manifest says the same, and something more, and is signed as well.
fn exchanged(kit: &Kit, root: &mut Root) {
    let manifest = Manifest { reason: "It is another.".into(), ..kit.manifest(&kit.good) };
    root.others.insert(full().manifest().unwrap().as_str().into(), manifest.sign(&kit.instance).unwrap());
}

/// The prior's manifest is the one that was signed with, and does not hold.
fn broken(kit: &Kit, manifest: &mut Manifest, root: &mut Root) {
    let bytes = kit.manifest(&kit.good).sign(&kit.stranger).unwrap();
    prior(manifest).manifest_sha256 = hex::encode(Sha256::digest(&bytes));
    root.others.insert(full().manifest().unwrap().as_str().into(), bytes);
}

/// Two incrementals, one on the other.
fn longer(kit: &Kit, root: &mut Root, change: impl FnOnce(&mut Root)) {
    incremental_at(kit, root, label("04-00-00", "incremental"), |_, _| {});
    let first = root.manifest.clone();
    let (place, name) = (root.place.clone(), root.place.manifest().unwrap());
    let mut second = root.clone();
    root.others.insert(name.as_str().into(), first.clone());
    root.others.insert(place.archive(true).unwrap().as_str().into(), kit.good.clone());
    let others = root.others.clone();
    incremental_at(kit, &mut second, label("05-00-00", "incremental"), |manifest, _| {
        *prior(manifest) = Prior { label: place.label(), manifest_sha256: hex::encode(Sha256::digest(&first)) };
    });
    (root.place, root.manifest, root.others) = (second.place, second.manifest, others);
    change(root);
}

/// A chain without a fault: each of these is accepted.
pub fn good_chains(kit: &Kit) -> [Root; 2] {
    [0, 1].map(|more| {
        let mut root = kit.root();
        if more == 0 {
            incremental(kit, &mut root, |_, _| {})
        } else {
            longer(kit, &mut root, |_| {})
        }
        root
    })
}
