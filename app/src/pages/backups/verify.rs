//! A sealed restore point, verified down to its rows: that takes a key.

use crate::{
    address::{self, segment},
    api::{Failure, backups::VerifyNow, keys::sealed_point},
    components::{Card, Faults, FormProblem, Glyph, Opening, PageHead},
    loaded::loaded_page,
};
use domain::{Code, DestinationId, Error, Secret, view::key::SealedView};
use leptos::prelude::*;

/// Asks for the key, and starts the verification.
#[component]
pub fn VerifyPage() -> impl IntoView {
    let (destination, database) = (address::param::<DestinationId>("destination"), address::name_param("database"));
    let [point, folder, origin] = ["point", "folder", "origin"].map(address::query_value);
    let sealed = Resource::new_blocking(
        move || (destination.get(), database.get(), point.get(), origin.get()),
        |(destination, database, point, origin)| async move {
            let destination = destination?;
            if point.is_empty() {
                // An address that nobody made, or the page is being left.
                let error = Error::new(Code::NotFound, "The address names no restore point.", "Go back to the backups and choose one.");
                return Err(Failure::from(error));
            }
            let sealed = sealed_point(destination, database.clone(), point, origin).await?;
            Ok::<_, Failure>((destination, database, sealed))
        },
    );
    loaded_page(sealed, move |(destination, database, sealed)| {
        let back = format!("/backups/{destination}/{}", segment(&database));
        let crumbs = vec![("Backups".into(), "/backups".into()), (database.clone(), back.clone())];
        // With the folder of its chain: another server can have a backup with the same label.
        let place = [folder.get_untracked(), point.get_untracked()].join("/");
        let asked = VerifyNow { destination, database, label: place.trim_start_matches('/').into(), data_key: None };
        // What it builds on is not looked at.
        let own = |sealed: SealedView| SealedView { envelopes: sealed.envelopes.into_iter().last().into_iter().collect(), ..sealed };
        let open = sealed.map(own).map(|sealed| view! { <Open sealed asked back/> });
        view! {
            <PageHead title="Verify down to the rows" crumbs>
                <p>"Without a key, a verification proves that the stored bytes are those that were signed. With one, every member is opened, and every row counted and compared with its digest, too."</p>
            </PageHead>
            <Card title="The key" icon=Glyph::Key>{open}</Card>
        }
    })
}

#[component]
fn Open(sealed: SealedView, asked: VerifyNow, back: String) -> impl IntoView {
    let verify = ServerAction::<VerifyNow>::new();
    let asked = StoredValue::new(asked);
    let opened = Callback::new(move |key: Secret<String>| {
        verify.dispatch(VerifyNow { data_key: Some(key.expose().clone()), ..asked.get_value() });
    });
    view! {
        <div class="form">
            <FormProblem faults=Faults::of(verify.value())/>
            <Opening sealed word="Verify" pending=verify.pending() back opened/>
        </div>
    }
}
