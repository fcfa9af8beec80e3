//! How much room destinations have.

use catalog::DestinationRecord;
use domain::{Destination, DestinationId};
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

/// An answer counts for so long.
const KEPT: Duration = Duration::from_secs(60);
/// A page does not wait longer for a share that does not answer.
const PATIENCE: Duration = Duration::from_millis(500);

/// What destinations said of their room. A share that hangs is asked once, and not by every page again.
#[derive(Default)]
pub(crate) struct Rooms(Arc<Mutex<HashMap<DestinationId, Room>>>);

struct Room {
    /// The place that was asked: the destination may be at another one by now.
    place: Destination,
    free_bytes: Option<u64>,
    /// When it was answered; none while an answer is waited for.
    at: Option<Instant>,
}

impl Rooms {
    /// Bytes that are free at a destination, as far as it answers in time.
    pub async fn free_bytes(&self, destination: &DestinationRecord) -> Option<u64> {
        let (id, place) = (destination.id, destination.destination.clone());
        {
            let mut rooms = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            match rooms.get(&id).filter(|room| room.place == place) {
                Some(room) if room.at.is_none_or(|at| at.elapsed() < KEPT) => return room.free_bytes,
                known => {
                    let free_bytes = known.and_then(|room| room.free_bytes);
                    rooms.insert(id, Room { place: place.clone(), free_bytes, at: None });
                }
            }
        }
        let rooms = Arc::clone(&self.0);
        let asking = tokio::spawn(async move {
            let free_bytes = store::free_bytes(&place).await;
            rooms.lock().unwrap_or_else(PoisonError::into_inner).insert(id, Room { place, free_bytes, at: Some(Instant::now()) });
            free_bytes
        });
        tokio::time::timeout(PATIENCE, asking).await.ok()?.ok()?
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::at;
    use uuid::Uuid;

    #[tokio::test]
    async fn what_was_answered_for_another_place_does_not_count() {
        let (rooms, folder) = (Rooms::default(), tempfile::tempdir().unwrap());
        let id = DestinationId::new(Uuid::now_v7());
        let destination = |root: std::path::PathBuf| DestinationRecord {
            id,
            name: "vault".into(),
            destination: Destination::Local { root },
            note: String::new(),
            version: 1,
            created_at: at("00:00:00"),
            read_at: None,
            read_error: None,
        };
        assert!(rooms.free_bytes(&destination(folder.path().into())).await.is_some());
        assert_eq!(rooms.free_bytes(&destination(folder.path().join("not there"))).await, None);
    }
}
