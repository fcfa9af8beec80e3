//! A restore point on its way out of the console: all that a restore of it needs, and how that is used.

use super::{GLOBALS, kind_word};
use crate::{
    address::{self, segment, with_query},
    api::backups::{AllowDownload, download},
    components::{
        Button, ButtonKind, Card, Cell, Faults, FormProblem, Glyph, Hidden, Icon, Notice, OwnPassword, PageHead, Size, Table, Tag, Tone,
        When, counted,
    },
    done::successes,
    loaded::loaded_page,
};
use domain::{
    BackupKind, DestinationId, display,
    view::download::{DownloadFiles, DownloadPart, DownloadQuery, DownloadView},
};
use jiff::Timestamp;
use leptos::prelude::*;

/// What is to be downloaded.
#[component]
pub fn DownloadPage() -> impl IntoView {
    let (destination, database) = (address::param::<DestinationId>("destination"), address::name_param("database"));
    let [folder, point] = ["folder", "point"].map(address::query_value);
    let allow = ServerAction::<AllowDownload>::new();
    let allowed = successes(allow.value());
    let view = Resource::new_blocking(
        move || (destination.get(), database.get(), folder.get(), point.get(), allowed.get()),
        |(destination, database, folder, point, _)| async move {
            let query = DownloadQuery { database, folder, point, part: DownloadPart::default() };
            download(destination?, query).await
        },
    );
    loaded_page(view, move |view: DownloadView| {
        let back = format!("/backups/{}/{}", view.destination, segment(&view.database));
        let crumbs = vec![
            ("Backups".into(), "/backups".into()),
            (view.name.clone(), format!("/backups/{}", view.destination)),
            (view.database.clone(), back.clone()),
        ];
        let (at, now, kind, sealed) = (view.point.at(), view.now, view.point.kind(), !view.recipients.is_empty());
        let what = if view.database == GLOBALS { "roles and tablespaces".to_owned() } else { view.database.clone() };
        let body = match view.fault.clone() {
            Some((sentence, next_step)) => view! { <Faulty sentence next_step back/> }.into_any(),
            None => view! { <Offered view allow/> }.into_any(),
        };
        view! {
            <PageHead title=format!("Download a backup of {what}") crumbs>
                <p>
                    {kind_word(kind)} " backup of " <When at now/> " "
                    {sealed.then(|| view! { <Tag text="sealed" icon=Glyph::Lock/> })}
                </p>
            </PageHead>
            {body}
        }
    })
}

#[component]
fn Faulty(sentence: String, next_step: String, back: String) -> impl IntoView {
    view! {
        <Notice tone=Tone::Bad title=format!("It cannot be downloaded. {sentence}")>
            <p>{next_step} " " <a href=back>"Go back to the backups"</a></p>
        </Notice>
    }
}

/// The address of a file. It is no page of ours, so that the browser itself asks for it.
fn href(view: &DownloadView, point: String, part: DownloadPart) -> String {
    let query = DownloadQuery { database: view.database.clone(), folder: view.folder.clone(), point, part };
    with_query(&format!("/download/{}", view.destination), &query)
}

#[component]
fn Offered(view: DownloadView, allow: ServerAction<AllowDownload>) -> impl IntoView {
    let sealed = (!view.recipients.is_empty()).then(|| {
        let keys = view.recipients.iter().map(|key| view! { " " <code class="fingerprint">{key.clone()}</code> }).collect_view();
        view! { <p>"It stays sealed: without a key it tells nobody anything. One of these opens it:" {keys}</p> }
    });
    let way = if view.confirmed {
        let (href, size) = (href(&view, view.point.to_string(), DownloadPart::Everything), display::size(view.bundle_bytes));
        view! {
            <div class="actions">
                <a class="button primary" href=href rel="external"><Icon name=Glyph::Save/>{format!("Download {size}")}</a>
                <code class="dim">{format!("{}.tar", view.bundle)}</code>
            </div>
        }
        .into_any()
    } else {
        let page = format!("/backups/{}/{}/download", view.destination, segment(&view.database));
        let back = address::with_pairs(&page, [("folder", view.folder.clone()), ("point", view.point.to_string())]);
        view! { <Allow back allow/> }.into_any()
    };
    let how_many = counted(view.needed.len() as u64, "backup", "backups");
    let builds = (view.point.kind() == BackupKind::Incremental)
        .then(|| format!(" An incremental alone restores nothing: it needs the {how_many} below, the full one first."));
    let how = (view.database != GLOBALS).then(|| view! { <How command=view.command()/> });
    view! {
        <Card title="All that a restore needs, as one file" icon=Glyph::Save>
            <div class="stack">
                <p>"Archives, their signed manifests, and the folders that "<code>"rookery restore"</code>" expects, in a tar file."{builds}</p>
                {sealed}
                {way}
            </div>
        </Card>
        {how}
        <Files view/>
    }
}

/// Asks for the password: a browser that was left open gives nothing away.
#[component]
fn Allow(back: String, allow: ServerAction<AllowDownload>) -> impl IntoView {
    let faults = Faults::of(allow.value());
    view! {
        <ActionForm action=allow attr:class="form">
            <FormProblem faults marked=true/>
            <Hidden values=vec![("back", back)]/>
            <p>"A download takes all that the backup holds out of the console. It is written to the audit log."</p>
            <OwnPassword id="own-download" faults/>
            <div class="actions"><Button kind=ButtonKind::Primary busy=allow.pending()>"Continue"</Button></div>
        </ActionForm>
    }
}

#[component]
fn How(command: String) -> impl IntoView {
    view! {
        <Card title="How it is restored elsewhere" icon=Glyph::Restore>
            <div class="stack">
                <p>"Unpack it with " <code>"tar -xf"</code> ". The folder in it is a root like any other. On any machine that has Rookery:"</p>
                <pre class="command"><code>{command}</code></pre>
                <p class="dim small">
                    "The fingerprint is that of the installation that signed the backups. A restore checks signatures and every byte, and compares every row."
                </p>
            </div>
        </Card>
    }
}

#[component]
fn Files(view: DownloadView) -> impl IntoView {
    let (now, confirmed, own) = (view.now, view.confirmed, view.point);
    let page = format!("/backups/{}/{}/download", view.destination, segment(&view.database));
    let lines = view.needed.iter().map(|files| {
        let label = files.label.to_string();
        let links = confirmed.then(|| {
            let of = |part| href(&view, label.clone(), part);
            (of(DownloadPart::Archive), of(DownloadPart::Manifest))
        });
        let other = (files.label != own).then(|| address::with_pairs(&page, [("folder", view.folder.clone()), ("point", label.clone())]));
        view! { <Line files=files.clone() links page=other now/> }
    });
    let lines = lines.collect_view();
    view! {
        <Card title="The files one by one" flush=true>
            <p class="explained dim">
                "To be put into a folder of your choice under these names. Downloads carry the database's name before their own, so that nobody mistakes one for another."
            </p>
            <Table label="Files">
                <thead>
                    <tr>
                        <th scope="col">"Backup"</th>
                        <th scope="col">"Name under the root"</th>
                        <th scope="col" class="right">"Size"</th>
                        <th scope="col"><span class="unseen">"Actions"</span></th>
                    </tr>
                </thead>
                <tbody>{lines}</tbody>
            </Table>
        </Card>
    }
}

#[component]
fn Line(files: DownloadFiles, links: Option<(String, String)>, page: Option<String>, now: Timestamp) -> impl IntoView {
    let at = files.label.at();
    let moment = at.strftime("%-d %b %Y, %H:%M:%S UTC").to_string();
    let name = match page {
        Some(page) => view! { <a class="name" href=page><When at now/></a> }.into_any(),
        None => view! { <span class="name"><When at now/></span> }.into_any(),
    };
    let links = links.map(|(archive, manifest)| {
        view! {
            <span class="actions">
                <a class="button ghost" href=archive rel="external"><Icon name=Glyph::Save/>"Archive"<span class="unseen">{format!(" of {moment}")}</span></a>
                <a class="button ghost" href=manifest rel="external"><Icon name=Glyph::Save/>"Manifest"<span class="unseen">{format!(" of {moment}")}</span></a>
            </span>
        }
    });
    view! {
        <tr>
            <Cell>{name} " " <small class="dim">{kind_word(files.kind)}</small></Cell>
            <Cell label="Names"><code class="paths">{files.archive}<br/>{files.manifest}</code></Cell>
            <Cell label="Size" right=true><Size bytes=files.archive_bytes/></Cell>
            <Cell>{links}</Cell>
        </tr>
    }
}
