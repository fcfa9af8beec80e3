//! Keys that archives are sealed for: public halves, and drills that prove that the private ones are at hand.

use crate::{Administer, Control, Operate, Permit, View, conflict::changed_meanwhile, server::ensure_typed};
use catalog::KeyRecord;
use domain::{
    Code, Error, FieldError, KeyForm, KeyId, Result,
    view::key::{DRILL_EVERY, KeyView},
};
use jiff::{SignedDuration, Timestamp};
use seal::{
    Fingerprint, Kept, PublicKey,
    drill::{Expected, Question},
    kept::Passphrase,
    key::Derivation,
};
use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
};
use uuid::Uuid;

/// How long an answer is waited for: a file has to be found, or a sheet fetched from a safe.
const PATIENCE: SignedDuration = SignedDuration::from_mins(30);

/// Questions that wait for their answer: one for each key and session.
#[derive(Default)]
pub(crate) struct Drills(Mutex<HashMap<(KeyId, String), (Timestamp, Expected)>>);

impl Drills {
    fn ask(&self, key: KeyId, session: &str, expected: Expected, now: Timestamp) {
        let mut waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.retain(|_, (asked, _)| now.duration_since(*asked) < PATIENCE);
        waiting.insert((key, session.into()), (now, expected));
    }

    /// The answer that is expected; a question is answered once.
    fn take(&self, key: KeyId, session: &str, now: Timestamp) -> Option<Expected> {
        let mut waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (asked, expected) = waiting.remove(&(key, session.into()))?;
        (now.duration_since(asked) < PATIENCE).then_some(expected)
    }
}

impl Control {
    /// All keys, by name.
    ///
    /// # Errors
    /// [`Code::Catalog`].
    pub async fn keys(&self, _: &Permit<View>) -> Result<Vec<KeyView>> {
        let tasks = self.catalog.tasks().await?;
        let view = |key: KeyRecord| self.key_view(key, &tasks);
        Ok(self.catalog.keys().await?.into_iter().map(view).collect())
    }

    /// One key.
    ///
    /// # Errors
    /// [`Code::NotFound`].
    pub async fn key(&self, _: &Permit<View>, id: KeyId) -> Result<KeyView> {
        Ok(self.key_view(self.catalog.key(id).await?, &self.catalog.tasks().await?))
    }

    fn key_view(&self, key: KeyRecord, tasks: &[catalog::TaskRecord]) -> KeyView {
        let users = tasks.iter().filter(|task| task.task.recipients.contains(&key.id));
        KeyView {
            due_at: due_at(&key),
            file_line: file_line(&key),
            tasks: users.map(|task| (task.id, task.task.name.clone())).collect(),
            id: key.id,
            name: key.name,
            fingerprint: key.fingerprint,
            public_key: key.public_key,
            derivation: key.derivation.map(|derivation| derivation.to_string()),
            note: key.note,
            created_at: key.created_at,
            proven_at: key.proven_at,
            version: key.version,
            instance: self.instance.fingerprint().to_string(),
            now: Timestamp::now(),
        }
    }

    /// Fingerprint of this console, by which others accept the backups that it signed.
    #[must_use]
    pub fn instance_fingerprint(&self, _: &Permit<View>) -> String {
        self.instance.fingerprint().to_string()
    }

    /// Adds a key, once its fingerprint was typed from what was saved. That is no drill yet.
    ///
    /// # Errors
    /// [`Code::Invalid`] with every field that is wrong; [`Code::Forbidden`] unless the password was typed lately.
    pub async fn add_key(&self, permit: &Permit<Administer>, form: &KeyForm) -> Result<KeyId> {
        let now = Timestamp::now();
        let checked = Checked::of(form)?;
        self.ensure_fresh(permit, "This changes who can read backups.", now)?;
        let record = KeyRecord {
            id: KeyId::new(Uuid::now_v7()),
            name: checked.name,
            fingerprint: checked.public_key.fingerprint().to_string(),
            public_key: checked.public_key.to_string(),
            derivation: checked.derivation,
            note: form.note.trim().into(),
            version: 1,
            created_at: now,
            proven_at: None,
        };
        let detail = format!("Fingerprint {}.", record.fingerprint);
        let audit = permit.audit("key added", &record.name, Some(page(record.id)), detail);
        self.catalog.insert_key(&record, &audit).await?;
        Ok(record.id)
    }

    /// Changes name and note of a key. `version` is the number of the edit that the form was begun from.
    ///
    /// # Errors
    /// [`Code::Invalid`] with every field that is wrong; [`Code::Conflict`] if somebody else was quicker.
    pub async fn change_key(&self, permit: &Permit<Administer>, id: KeyId, version: i64, name: &str, note: &str) -> Result<()> {
        let known = self.catalog.key(id).await?;
        let name = domain::form::record_name(name)?;
        let record = KeyRecord { name, note: note.trim().into(), version, ..known };
        let audit = permit.audit("key changed", &record.name, Some(page(id)), "");
        match self.catalog.update_key(&record, &audit).await {
            Err(error) if error.code() == Code::Conflict => {
                let theirs = self.catalog.key(id).await?;
                Err(changed_meanwhile("key", theirs.version, &form_of(&theirs), &form_of(&record)))
            }
            done => done,
        }
    }

    /// Forgets a key. What was sealed for it can still be opened with its private half alone.
    ///
    /// # Errors
    /// [`Code::Busy`] while tasks seal for it; [`Code::Invalid`] at the field `typed_name`; [`Code::Forbidden`] unless the
    /// password was typed lately.
    pub async fn remove_key(&self, permit: &Permit<Administer>, id: KeyId, typed_name: &str) -> Result<()> {
        let record = self.catalog.key(id).await?;
        ensure_typed(typed_name, &record.name)?;
        self.ensure_fresh(permit, "This changes who can read backups.", Timestamp::now())?;
        let detail = format!("Fingerprint {}.", record.fingerprint);
        self.catalog.delete_key(id, &permit.audit("key removed", &record.name, None, detail)).await
    }

    /// Asks whoever has the private half to show it, as JSON of [`Question`].
    ///
    /// # Errors
    /// [`Code::NotFound`].
    pub async fn ask_drill(&self, permit: &Permit<Operate>, id: KeyId) -> Result<String> {
        let key = self.catalog.key(id).await?;
        let (question, expected) = Question::ask(&key.public_key.parse()?)?;
        self.drills.ask(id, permit.actor().token_hash(), expected, Timestamp::now());
        serde_json::to_string(&question).map_err(|error| Error::internal("A question could not be written.").because(error))
    }

    /// Takes the answer: the private half is at hand.
    ///
    /// # Errors
    /// [`Code::WrongKey`] for another answer, or one to a question that nobody asked lately.
    pub async fn answer_drill(&self, permit: &Permit<Operate>, id: KeyId, answer: &str) -> Result<()> {
        let (key, now) = (self.catalog.key(id).await?, Timestamp::now());
        let expected = self.drills.take(id, permit.actor().token_hash(), now);
        if !expected.is_some_and(|expected| expected.is(answer)) {
            return Err(Error::new(Code::WrongKey, "This does not prove that the key is at hand.", "Give the key again."));
        }
        self.catalog.set_key_proven(id, now, &permit.audit("key proven", &key.name, Some(page(id)), "")).await
    }

    /// The public halves of the keys that a task seals for.
    ///
    /// # Errors
    /// [`Code::NotFound`] if one is not there: nothing is sealed for fewer than was asked.
    pub(crate) async fn recipients(&self, keys: &[KeyId]) -> Result<Vec<PublicKey>> {
        let mut recipients = Vec::with_capacity(keys.len());
        for key in keys {
            recipients.push(self.catalog.key(*key).await?.public_key.parse()?);
        }
        Ok(recipients)
    }
}

/// A form whose fields are good.
struct Checked {
    name: String,
    public_key: PublicKey,
    derivation: Option<serde_json::Value>,
}

impl Checked {
    fn of(form: &KeyForm) -> Result<Self> {
        let name = form.check();
        let mut errors = name.as_ref().err().map(|error| error.told().fields.clone()).unwrap_or_default();
        let mut wrong = |field: &str, sentence: String| errors.push(FieldError { field: field.into(), sentence });
        let public_key = match form.public_key.trim() {
            "" => None,
            text => text.parse::<PublicKey>().map_err(|error| wrong("public_key", format!("{error} {}", error.next_step()))).ok(),
        };
        if let Some(key) = &public_key
            && !form.typed_fingerprint.trim().is_empty()
            && form.typed_fingerprint.parse::<Fingerprint>().ok() != Some(key.fingerprint())
        {
            wrong("typed_fingerprint", "This is not the fingerprint of the key. Look at what you saved, and type it from there.".into());
        }
        let derivation = match form.derivation.trim() {
            "" => None,
            text => match serde_json::from_str::<Derivation>(text).and_then(serde_json::to_value) {
                Ok(derivation) => Some(derivation),
                Err(_) => {
                    wrong("derivation", "How the passphrase becomes the key cannot be read. Make the key again.".into());
                    None
                }
            },
        };
        match (name, public_key) {
            (Ok(name), Some(public_key)) if errors.is_empty() => Ok(Self { name, public_key, derivation }),
            _ => Err(Error::invalid(errors)),
        }
    }
}

/// When a key was proven last, or added, if nobody has proven it yet.
pub(crate) fn seen_at(key: &KeyRecord) -> Timestamp {
    key.proven_at.unwrap_or(key.created_at)
}

/// By when a key should be proven.
pub(crate) fn due_at(key: &KeyRecord) -> Timestamp {
    seen_at(key).saturating_add(DRILL_EVERY).unwrap_or(Timestamp::MAX)
}

/// The one line of the file that belongs to a passphrase. It is no secret, and can be had again.
fn file_line(key: &KeyRecord) -> Option<String> {
    let derivation = serde_json::from_value(key.derivation.clone()?).ok()?;
    let made = Passphrase { derivation, public_key: key.public_key.parse().ok()? };
    Kept::Passphrase(made).line().ok().map(|line| line.to_string())
}

fn form_of(record: &KeyRecord) -> KeyForm {
    KeyForm { name: record.name.clone(), note: record.note.clone(), ..KeyForm::default() }
}

fn page(id: KeyId) -> String {
    format!("/keys/{id}")
}
