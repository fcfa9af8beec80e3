//! The recovery sheet: on paper, it is all that a restore needs beside the backups. It is seen on paper alone.

use crate::keyring::Made;
use domain::{Secret, view::key::KeyView};
use leptos::prelude::*;

/// What stands on a sheet.
#[derive(Clone)]
pub(super) struct Sheeted {
    /// Its name, which may still be typed.
    pub name: Signal<String>,
    /// Fingerprint of the key.
    pub fingerprint: String,
    /// The public half.
    pub public_key: String,
    /// The line of the key file, where it is at hand.
    pub line: Option<Secret<String>>,
    /// Whether a passphrase belongs to it.
    pub passphrase: bool,
    /// Fingerprint of the console that signs the backups.
    pub instance: String,
}

impl Sheeted {
    /// Of a key that is known: its private half is not.
    pub fn of(key: &KeyView) -> Self {
        Self {
            name: Signal::stored(key.name.clone()),
            fingerprint: key.fingerprint.clone(),
            public_key: key.public_key.clone(),
            line: key.file_line.clone().map(Secret::new),
            passphrase: key.derivation.is_some(),
            instance: key.instance.clone(),
        }
    }

    /// Of one that was just made.
    pub fn new(name: Signal<String>, made: &Made, instance: String) -> Self {
        Self {
            name,
            fingerprint: made.fingerprint.clone(),
            public_key: made.public_key.clone(),
            line: made.line.clone(),
            passphrase: !made.derivation.is_empty(),
            instance,
        }
    }
}

/// The sheet.
#[component]
pub(super) fn Sheet(
    /// What stands on it.
    sheeted: Sheeted,
) -> impl IntoView {
    let Sheeted { name, fingerprint, public_key, line, passphrase, instance } = sheeted;
    let secret = match (line, passphrase) {
        (Some(line), true) => view! {
            <dt>"Key file (no secret without the passphrase)"</dt>
            <dd><code>{line.expose().clone()}</code></dd>
            <dt>"Passphrase (write it by hand, or keep it elsewhere)"</dt>
            <dd class="blank"></dd>
        }
        .into_any(),
        (Some(line), false) => view! { <dt>"Private key (secret)"</dt><dd><code>{line.expose().clone()}</code></dd> }.into_any(),
        (None, _) => view! { <dt>"Private key (secret; write down where it is kept)"</dt><dd class="blank"></dd> }.into_any(),
    };
    view! {
        <section class="sheet" aria-label="Recovery sheet">
            <h1>"Rookery recovery sheet"</h1>
            <p>"Keep this sheet where only those can take it who may read the backups. Without the private key nobody can read them, the console included."</p>
            <dl>
                <dt>"Key"</dt>
                // Whoever has not named it yet writes the name by hand.
                <dd class:blank=move || name.read().is_empty()>{move || name.get()}</dd>
                <dt>"Fingerprint of the key"</dt>
                <dd><code>{fingerprint}</code></dd>
                {secret}
                <dt>"Public half"</dt>
                <dd><code>{public_key}</code></dd>
                <dt>"Fingerprint of the console that signed the backups"</dt>
                <dd><code>{instance.clone()}</code></dd>
            </dl>
            <h2>"To restore without this console"</h2>
            <ol>
                <li>"Get the program rookery of any later version, and the backups: the whole root folder, or one database's child folder with the file rookery.json beside it."</li>
                <li>{if passphrase { "Write the line of the key file above into a file key.txt. The passphrase is asked for." } else { "Write the line of the private key above into a file key.txt that only you may read." }}</li>
                <li>"See which databases are there, and from which servers: " <code>"rookery list ROOT"</code></li>
                <li>
                    "Restore a database: "
                    <code>{format!("rookery restore ROOT --database NAME --server ORIGIN --into SERVER --as NEW_NAME --key key.txt --accept-instance {instance}")}</code>
                </li>
                <li>"The format is public (docs/FORMAT.md), and docs/open_archive.py reads an archive with nothing but Python."</li>
            </ol>
        </section>
    }
}
