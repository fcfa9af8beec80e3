//! Between two backups: log that the server keeps for a chain although nothing of its database changed.

use super::{Chain, news::Streaming, position::History, prior::Prior};
use crate::{Context, postgres::snapshot};
use domain::Result;
use serde_json::Value;
use std::path::Path;

/// See [`crate::Following::let_go`]. Only the stream is looked at: all else is compared with the prior's state, which stays.
pub(super) fn let_go(chain: &Chain, position: &Value, state: &Path, context: &Context) -> Result<bool> {
    let Ok(prior) = Prior::of(position, state) else { return Ok(false) };
    let Some(place) = &prior.position.stream else { return Ok(false) };
    let mut leader = snapshot::leader(&chain.target, &chain.database, context)?;
    if prior.refuses(&History::of(&mut leader)?).is_some() {
        return Ok(false);
    }
    let Ok(stream) = Streaming::find(chain, place, state, &mut leader)? else { return Ok(false) };
    let Ok(taken) = prior.moment(&mut leader)? else { return Ok(false) };
    stream.pass(&taken.visible, &prior, &mut leader, context)
}
