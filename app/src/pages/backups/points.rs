//! The exact list of a folder's restore points.

use crate::{
    address,
    api::backups::VerifyNow,
    components::{
        Badge, Button, ButtonKind, Cell, Count, Faults, FormProblem, Glyph, Hidden, Icon, LinkButton, Size, Table, Tag, Tone,
        VerifiedBadge, When, may,
    },
};
use domain::{
    BackupKind, DestinationId, RestoreForm, Role,
    display::shell_word,
    view::backup::{ChainView, Held, PointLine},
};
use jiff::Timestamp;
use leptos::prelude::*;

/// Chains, newest first, with their points. The buttons of all lines belong to one form.
#[component]
pub fn Points(
    /// The destination.
    destination: DestinationId,
    /// The database.
    database: String,
    /// Whether a database can be made of a point.
    restorable: bool,
    /// The chains that are shown.
    chains: Vec<ChainView>,
    /// Whether they come from several servers.
    origins: bool,
    /// When they were read.
    now: Timestamp,
) -> impl IntoView {
    let verify = ServerAction::<VerifyNow>::new();
    let form = StoredValue::new(RestoreForm { destination: destination.to_string(), database: database.clone(), ..RestoreForm::default() });
    let bodies = chains.into_iter().map(move |chain| {
        // A chain of one says nothing that its point does not say.
        let heading = (chain.points.len() > 1).then(|| {
            let words = format!("Chain of {} in ", chain.points.len());
            view! { <tr class="chain"><th scope="rowgroup" colspan="7"><Icon name=Glyph::Folder/>{words}<code>{chain.folder.clone()}</code></th></tr> }
        });
        let (folder, mut held) = (StoredValue::new(chain.folder), Some(chain.held));
        // What is done with the whole chain is done on the line of its newest point.
        let lines = chain.points.into_iter().map(move |point| {
            let chain = held.take().map(|held| view! { <OfChain held folder form/> });
            view! { <Line point folder form restorable origins verify now chain/> }
        });
        view! { <tbody>{heading}{lines.collect_view()}</tbody> }
    });
    view! {
        <ActionForm action=verify>
            <FormProblem faults=Faults::of(verify.value())/>
            <Hidden values=vec![("destination", destination.to_string()), ("database", database)]/>
            <Table label="Restore points">
                <thead>
                    <tr>
                        <th scope="col">"Moment"</th>
                        <th scope="col">"Kind"</th>
                        <th scope="col" class="right">"Size"</th>
                        <th scope="col" class="right">"Rows"</th>
                        <th scope="col" class="minor">"Made by"</th>
                        <th scope="col">"Verified"</th>
                        <th scope="col"><span class="unseen">"Actions"</span></th>
                    </tr>
                </thead>
                {bodies.collect_view()}
            </Table>
        </ActionForm>
    }
}

#[component]
fn Line(
    point: PointLine,
    folder: StoredValue<String>,
    form: StoredValue<RestoreForm>,
    restorable: bool,
    origins: bool,
    verify: ServerAction<VerifyNow>,
    now: Timestamp,
    chain: Option<impl IntoView + 'static>,
) -> impl IntoView {
    let (id, label) = (point.label.to_string(), point.label.to_string());
    let moment = point.at.strftime("%-d %b %Y, %H:%M:%S UTC").to_string();
    let restore = RestoreForm { origin: point.origin.clone().unwrap_or_default(), point: label.clone(), ..form.get_value() };
    let restore = address::with_query("/restore?step=target", &restore);
    let can_restore = restorable && point.fault.is_none() && may(Role::Administrator);
    let made_by = point.task.unwrap_or_else(|| "command line".into());
    // A label alone can be that of backups from several servers.
    let place = format!("{}/{label}", folder.get_value());
    let (told, asked) = (moment.clone(), moment.clone());
    let with_key = (point.sealed && point.fault.is_none()).then(|| {
        let page = form.with_value(|form| format!("/backups/{}/{}/verify", form.destination, address::segment(&form.database)));
        let origin = point.origin.clone().unwrap_or_default();
        address::with_pairs(&page, [("point", label.clone()), ("folder", folder.get_value()), ("origin", origin)])
    });
    let download = point.fault.is_none().then(|| {
        let page = form.with_value(|form| format!("/backups/{}/{}/download", form.destination, address::segment(&form.database)));
        address::with_pairs(&page, [("folder", folder.get_value()), ("point", label.clone())])
    });
    let whole = place.clone();
    let origin = origins.then(|| point.origin.map(|origin| view! { <small class="dim">" on "{origin}</small> }));
    view! {
        <tr id=id>
            <Cell>
                <span class="name" title=whole><When at=point.at now/></span>
                {point.fault.map(|fault| view! { <p class="wrong"><Icon name=Glyph::Alert/>{fault}</p> })}
                {point.suspicion.map(|why| view! {
                    <p class="small"><Badge tone=Tone::Warn text="Suspicious"/> {why} " It does not count as a good one."</p>
                })}
            </Cell>
            <Cell label="Kind">{kind_word(point.kind)} " " {point.sealed.then(|| view! { <Tag text="sealed" icon=Glyph::Lock/> })}</Cell>
            <Cell label="Size" right=true><Size bytes=point.size_bytes/></Cell>
            <Cell label="Rows" right=true><Count of=point.rows/></Cell>
            <Cell label="Made by" minor=true>{made_by}{origin}</Cell>
            <Cell label="Verified"><VerifiedBadge verified=point.verified/></Cell>
            <Cell>
                <span class="actions">
                    {may(Role::Operator).then(|| view! {
                        <Button kind=ButtonKind::Ghost icon=Glyph::Shield name="label" value=place busy=verify.pending() label=format!("Verify the backup of {moment}")>"Verify"</Button>
                    })}
                    {with_key.filter(|_| may(Role::Operator)).map(|href| view! {
                        <LinkButton kind=ButtonKind::Ghost href icon=Glyph::Key>"With a key"<span class="unseen">{format!(" verify the backup of {told}")}</span></LinkButton>
                    })}
                    {can_restore.then(|| view! {
                        <LinkButton kind=ButtonKind::Ghost href=restore icon=Glyph::Restore>"Restore"<span class="unseen">{format!(" the backup of {asked}")}</span></LinkButton>
                    })}
                    {download.filter(|_| may(Role::Operator)).map(|href| view! {
                        <LinkButton kind=ButtonKind::Ghost href icon=Glyph::Save>"Download"<span class="unseen">{format!(" the backup of {moment}")}</span></LinkButton>
                    })}
                    {chain}
                </span>
            </Cell>
        </tr>
    }
}

/// That a chain is held, or the way to hold it.
#[component]
fn OfChain(held: Option<Held>, folder: StoredValue<String>, form: StoredValue<RestoreForm>) -> impl IntoView {
    let page = form.with_value(|form| format!("/backups/{}/{}/hold", form.destination, address::segment(&form.database)));
    let href = address::with_pairs(&page, [("folder", folder.get_value())]);
    let word = if held.is_some() { "Release" } else { "Hold" };
    let of = format!(" the chain {}", folder.get_value());
    view! {
        {held.map(|held| {
            let told = if held.note.is_empty() { format!("by {}", held.by) } else { format!("by {}: {}", held.by, held.note) };
            view! { <span class="row"><Tag text="held" icon=Glyph::Lock/> <small class="dim">{told}</small></span> }
        })}
        {may(Role::Operator).then(|| view! {
            <LinkButton kind=ButtonKind::Ghost href icon=Glyph::Lock>{word}<span class="unseen">{of}</span></LinkButton>
        })}
    }
}

/// What cannot be done with a restore point here yet, and how it is done meanwhile.
#[component]
pub fn Meanwhile(
    /// The root as people write it.
    root: String,
    /// The database; none where the folder is not that of one.
    database: Option<String>,
    /// The server that the newest one came from, where that has to be said.
    server: Option<String>,
    /// The newest restore point with the folder of its chain.
    newest: (String, PointLine),
) -> impl IntoView {
    let (folder, PointLine { label, sealed, .. }) = newest;
    let (ending, key) = if sealed { ("zip.sealed", " --key KEY_FILE") } else { ("zip", "") };
    let file = format!("{}/{folder}/{label}.{ending}", root.trim_end_matches('/'));
    let server = server.map(|server| format!(" --server {}", shell_word(&server))).unwrap_or_default();
    let command =
        database.map(|name| format!("rookery cat {} --database {}{server} --point {label}{key}", shell_word(&root), shell_word(&name)));
    view! {
        <div class="dim small">
            <p>
                "Looking into a backup comes to this page later. Each is one file on the console's machine, beside its signature; the newest is "
                <code>{file}</code> "."
            </p>
            {command.map(|command| view! {
                <p>
                    "Its tables are listed there by " <code>{command}</code> ", and the rows of one are printed with " <code>"--table"</code>
                    ". Give it the data directory of the console with " <code>"--data-dir"</code> "."
                </p>
            })}
        </div>
    }
}

/// What a backup's kind is called.
pub(crate) fn kind_word(kind: BackupKind) -> &'static str {
    match kind {
        BackupKind::Full => "Full",
        BackupKind::Incremental => "Incremental",
    }
}
