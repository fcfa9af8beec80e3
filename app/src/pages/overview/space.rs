//! Space at each destination.

use crate::components::{Bar, Card, Cell, Glyph, Size, Table};
use domain::DestinationId;
use leptos::prelude::*;

/// Bytes that backups take, and bytes that are free.
#[component]
pub fn SpaceCard(
    /// Identifier, name, bytes, free bytes.
    space: Vec<(DestinationId, String, u64, Option<u64>)>,
) -> impl IntoView {
    (!space.is_empty()).then(|| {
        let lines = space.into_iter().map(|(id, name, bytes, free)| {
            let percent = free.and_then(|free| (bytes.saturating_mul(100)).checked_div(bytes.saturating_add(free)));
            let percent = percent.and_then(|percent| u8::try_from(percent).ok());
            view! {
                <tr>
                    <Cell><a class="name" href=format!("/backups/{id}")>{name}</a></Cell>
                    <Cell label="Backups" right=true><Size bytes/></Cell>
                    <Cell label="Free" right=true><Size bytes=free/></Cell>
                    <Cell label="Share of the room">{percent.map(|percent| view! { <Bar percent=Some(percent) label="Share of the room that backups take"/> })}</Cell>
                </tr>
            }
        });
        view! {
            <Card title="Space" icon=Glyph::Destination flush=true>
                <Table label="Space at each destination">
                    <thead>
                        <tr>
                            <th scope="col">"Destination"</th>
                            <th scope="col" class="right">"Backups"</th>
                            <th scope="col" class="right">"Free"</th>
                            <th scope="col" class="half">"Share of the room"</th>
                        </tr>
                    </thead>
                    <tbody>{lines.collect_view()}</tbody>
                </Table>
            </Card>
        }
    })
}
