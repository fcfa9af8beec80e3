//! Asks the server whether a restore could begin, while it can still be changed.

use super::{Order, opened};
use crate::{Control, Operate, Permit, execute::told};
use domain::{
    Code, Connection, Destination, Error, RestoreForm, Result, Told, display,
    view::{
        backup::FolderQuery,
        restore::{RestorePreview, RestoreReview},
    },
};
use repository::Key;
use source::Context;
use std::time::Duration;

/// A server that has not answered by then is not waited for.
const TOO_LONG: Duration = Duration::from_secs(20);

impl Control {
    /// Like [`Control::preview_restore`]; once nothing is missing, the server is asked, too, whether it has what the restore needs:
    /// a free name, roles, extensions, a version that is new enough. Nothing is made. What a sealed backup needs is known only with
    /// its data key, in base64.
    ///
    /// # Errors
    /// [`Code::Catalog`].
    pub async fn review_restore(&self, _: &Permit<Operate>, form: &RestoreForm, data_key: Option<String>) -> Result<RestorePreview> {
        let key = data_key.map(opened::data_keys).transpose()?;
        let (mut preview, order) = self.draft_restore(form, &FolderQuery::default()).await?;
        if let Some((order, review)) = order.zip(preview.review.as_mut()) {
            review.obstacle = self.check_needs(&order, key).await.err().map(|error| in_console(told(&error)));
            review.notes.extend(little_room(&order, review).await);
        }
        Ok(preview)
    }

    async fn check_needs(&self, order: &Order, key: Option<Key>) -> Result<()> {
        let (repository, point) = self.find_point(order.destination.id, &order.request).await?;
        let source = self.open_source(&order.server).await?;
        let request = order.request.for_engine(source, repository, order.name.clone(), key);
        let context = Context::default();
        // Whoever stops waiting ends the question, too.
        let _cancelled_when_dropped = context.cancel.clone().drop_guard();
        let silent = |_| {
            let sentence = format!("{} has not answered for {} seconds.", order.server.server.name, TOO_LONG.as_secs());
            Error::new(Code::Silent, sentence, "Load the page again, or look at the server.")
        };
        tokio::time::timeout(TOO_LONG, engine::check_needs(&request, &point, &context)).await.map_err(silent)?
    }
}

/// The command line has options for what the wizard asks one step before.
fn in_console(told: Told) -> Told {
    if told.code != Code::RestoreNeeds {
        return told;
    }
    let next_step = "Go back to the target to have missing roles made or owners left out; extensions have to be installed on the server.";
    Told { next_step: next_step.into(), ..told }
}

/// A folder is on the console's own machine, whose room is known.
async fn little_room(order: &Order, review: &RestoreReview) -> Option<String> {
    let Connection::Sqlite { folder } = &order.server.server.connection else { return None };
    let free = store::free_bytes(&Destination::Local { root: folder.clone() }).await?;
    let (free, rows) = (free, review.plain_bytes);
    (free < rows).then(|| format!("Only {} are free there, and the rows alone may take {}.", display::size(free), display::size(rows)))
}
