//! Settings of the console.

use crate::{Administer, Control, Permit, conflict::changed_meanwhile, destination::allowed, underway::Nudge};
use domain::{
    Code, Destination, Error, Result, RunKind,
    view::people::{SettingsForm, SettingsView},
};
use jiff::Timestamp;
use repository::Fingerprint;
use sha2::{Digest, Sha256};
use std::path::{Path, PathBuf};

/// Runs at once over all servers.
pub(crate) const JOBS: &str = "jobs";
/// Whether backups and verifications give way to others.
const PACE: &str = "pace";
/// The paces: the first holds unless another one is set.
const PACES: [&str; 2] = ["gentle", "full"];
/// The folder below which all local roots must lie.
pub(crate) const LOCAL_ROOT: &str = "local_root";

const PAGE: &str = "/settings";
const MOST_JOBS: u16 = 256;

impl Control {
    /// The settings, and how the console's own work goes.
    ///
    /// # Errors
    /// [`Code::Catalog`].
    pub async fn settings(&self, _permit: &Permit<Administer>) -> Result<SettingsView> {
        let form = self.settings_form().await?;
        Ok(SettingsView {
            jobs: self.jobs_at_once().await?,
            edit: edit(&form),
            pace: if form.pace.is_empty() { PACES[0].into() } else { form.pace },
            local_root: form.local_root,
            fingerprint: self.instance.fingerprint().to_string(),
            accepted: self.accepted(),
            version: self.version.into(),
            catalog: self.catalog.address().into(),
            background: self.background(),
            now: Timestamp::now(),
        })
    }

    /// Changes the settings. `begun_from` is the number of the edit that the form was begun from.
    ///
    /// # Errors
    /// [`Code::Invalid`] with every field that is wrong; [`Code::Conflict`] if somebody else was quicker.
    pub async fn change_settings(&self, permit: &Permit<Administer>, begun_from: i64, form: &SettingsForm) -> Result<()> {
        let is = self.settings_form().await?;
        let wanted = SettingsForm {
            jobs: checked_jobs(&form.jobs)?,
            pace: checked_pace(&form.pace)?,
            local_root: self.checked_root(&form.local_root).await?,
        };
        if edit(&is) != begun_from {
            return Err(changed_meanwhile("setting", edit(&is), &is, &wanted));
        }
        for (name, was, value) in
            [(JOBS, is.jobs, wanted.jobs), (PACE, is.pace, wanted.pace), (LOCAL_ROOT, is.local_root, wanted.local_root)]
        {
            if was != value {
                let stored = self.catalog.setting(name).await?;
                let audit = permit.audit("setting changed", name, Some(PAGE.into()), format!("From {was:?} to {value:?}."));
                self.catalog.set_setting(name, stored.as_deref(), &value, &audit).await?;
            }
        }
        self.nudge(Nudge::Queue);
        Ok(())
    }

    /// Trusts what another installation signed, from now on. Its backups are read anew.
    ///
    /// # Errors
    /// [`Code::Invalid`] at the field `accept`; [`Code::Forbidden`] unless the password was typed lately.
    pub async fn accept_instance(&self, permit: &Permit<Administer>, fingerprint: &str) -> Result<()> {
        let instance: Fingerprint = fingerprint.trim().parse().map_err(|error: Error| error.at_field("accept"))?;
        self.ensure_fresh(permit, "This changes whose backups are trusted.", Timestamp::now())?;
        self.catalog.append_audit(&permit.audit("installation accepted", &instance.to_string(), Some(PAGE.into()), "")).await?;
        let control = self.clone();
        crate::blocking(move |_| control.accept(instance)).await?;
        for destination in self.catalog.destinations().await? {
            let control = self.clone();
            tokio::spawn(async move {
                if let Err(error) = control.take_inventory(&destination, true).await {
                    tracing::info!(?error, destination = destination.name, "a destination could not be read");
                }
            });
        }
        Ok(())
    }

    /// Fingerprints of the other installations that are trusted.
    fn accepted(&self) -> Vec<String> {
        let own = self.instance.fingerprint();
        self.trust().fingerprints().iter().filter(|fingerprint| **fingerprint != own).map(ToString::to_string).collect()
    }

    /// How many runs may work at once over all servers.
    pub(crate) async fn jobs_at_once(&self) -> Result<u16> {
        let cores = std::thread::available_parallelism().map_or(2, usize::from);
        let set = self.catalog.setting(JOBS).await?.and_then(|text| text.parse().ok());
        Ok(set.unwrap_or_else(|| u16::try_from(cores.max(2)).unwrap_or(MOST_JOBS)))
    }

    /// Whether a run that begins now gives way to others on the machine. Somebody waits for a restore.
    pub(crate) async fn gives_way(&self, kind: RunKind) -> Result<bool> {
        Ok(kind != RunKind::Restore && self.catalog.setting(PACE).await?.is_none_or(|pace| pace != PACES[1]))
    }

    /// The folder below which all local roots must lie, if it is set.
    pub(crate) async fn local_root(&self) -> Result<Option<PathBuf>> {
        Ok(self.catalog.setting(LOCAL_ROOT).await?.filter(|path| !path.is_empty()).map(PathBuf::from))
    }

    async fn settings_form(&self) -> Result<SettingsForm> {
        let stored = async |name| Ok::<_, Error>(self.catalog.setting(name).await?.unwrap_or_default());
        Ok(SettingsForm { jobs: stored(JOBS).await?, pace: stored(PACE).await?, local_root: stored(LOCAL_ROOT).await? })
    }

    /// A folder that exists, and that holds the roots of all destinations that there are.
    async fn checked_root(&self, text: &str) -> Result<String> {
        let text = text.trim();
        if text.is_empty() {
            return Ok(String::new());
        }
        let path = Path::new(text).to_owned();
        if !path.is_absolute() {
            return Err(Error::invalid_field(LOCAL_ROOT, "Give the whole path of the folder, from / on, or nothing."));
        }
        for destination in self.catalog.destinations().await? {
            let Destination::Local { root } = destination.destination;
            let (limit, name) = (path.clone(), destination.name);
            crate::blocking(move |_| allowed::resolve_below(&root, &limit)).await.map_err(|error| match error.code() {
                Code::Forbidden => Error::invalid_field(LOCAL_ROOT, format!("The destination {name:?} lies outside this folder.")),
                _ => Error::invalid_field(LOCAL_ROOT, format!("{error} {}", error.next_step())),
            })?;
        }
        let exists = crate::blocking(move |_| Ok(path.is_dir())).await?;
        if exists { Ok(text.into()) } else { Err(Error::invalid_field(LOCAL_ROOT, "There is no such folder on the console's machine.")) }
    }
}

fn checked_jobs(text: &str) -> Result<String> {
    match text.trim() {
        "" => Ok(String::new()),
        text => match text.parse::<u16>() {
            Ok(jobs) if (1..=MOST_JOBS).contains(&jobs) => Ok(jobs.to_string()),
            _ => Err(Error::invalid_field(JOBS, format!("Give a number from 1 to {MOST_JOBS}, or nothing."))),
        },
    }
}

/// The pace that holds anyhow is stored as nothing, as it is before anything was set.
fn checked_pace(text: &str) -> Result<String> {
    match text.trim() {
        pace if pace.is_empty() || pace == PACES[0] => Ok(String::new()),
        pace if PACES.contains(&pace) => Ok(pace.into()),
        _ => Err(Error::invalid_field(PACE, format!("Give {}.", PACES.join(" or ")))),
    }
}

/// The number of an edit is made from what it set: the same settings are the same edit.
fn edit(form: &SettingsForm) -> i64 {
    let parts = [&form.jobs, &form.pace, &form.local_root];
    let hash = parts.into_iter().fold(Sha256::new(), |hash, part| hash.chain_update(part).chain_update("\n")).finalize();
    // Fewer bits than a browser's numbers can hold exactly.
    hash.iter().take(6).fold(0, |number, byte| number << 8 | i64::from(*byte))
}
