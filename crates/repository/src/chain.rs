//! What a backup needs of the ones before it in its chain.

use crate::Point;
use domain::{Code, Error};
use std::collections::BTreeMap;

/// Judges the backups in the folder of one chain: one that builds on another is of use only together with exactly the one that it was
/// signed with. Where that is not so, its manifest becomes the reason. A full backup stands for itself.
pub fn judge(points: &mut [Point]) {
    // Oldest first: what a backup builds on is older, and judged before it.
    points.sort_by_key(|point| point.place.label());
    let index: BTreeMap<_, _> = points.iter().enumerate().map(|(at, point)| (point.place.label(), at)).collect();
    for at in 0..points.len() {
        let Some(prior) = points[at].manifest.as_ref().ok().and_then(|manifest| manifest.prior.clone()) else { continue };
        let label = points[at].place.label();
        // An older one: a manifest that claims otherwise was refused when it was read.
        let fault = match index.get(&prior.label).map(|at| &points[*at]) {
            None => Some(Error::new(
                Code::Damaged,
                format!("The backup {label} builds on {}, whose manifest is missing from its folder.", prior.label),
                format!("Put {} back from another copy of this root, or choose an older restore point.", prior.label),
            )),
            Some(there) if there.manifest_sha256 != prior.manifest_sha256 => Some(Error::new(
                Code::Damaged,
                format!("The backup {label} builds on another {} than the one that lies in its folder.", prior.label),
                "Do not trust this chain: its beginning was exchanged. Choose another, and find out who can write to the root.",
            )),
            Some(there) => there.check().err().map(|error| {
                let sentence = format!("The backup {label} builds on {}, which cannot be used. {error}", prior.label);
                Error::new(error.code(), sentence, error.next_step())
            }),
        };
        if let Some(fault) = fault {
            points[at].manifest = Err(fault);
        }
    }
}
