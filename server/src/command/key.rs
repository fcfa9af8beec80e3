//! `rookery key`

use crate::{
    Exit,
    arguments::{KeyCommand, KeyGenerate},
    key_file::{self, Kept},
    output::Output,
};
use domain::Result;
use seal::{PrivateKey, PublicKey, key};
use serde::Serialize;

/// The JSON document.
#[derive(Serialize)]
struct Report {
    public_key: String,
    fingerprint: String,
}

/// Makes a key, or tells which one a file holds.
pub fn run(command: KeyCommand, output: &Output) -> Result<Exit> {
    let public = match command {
        KeyCommand::Generate(arguments) => {
            let (kept, public) = generate(&arguments)?;
            let text = kept.text(&public)?;
            let Some(out) = arguments.out else {
                output.result(&(), || text.to_string())?;
                return Ok(Exit::Done);
            };
            key_file::write(&out, &text)?;
            public
        }
        KeyCommand::Show(arguments) => key_file::read(&arguments.file)?.private()?.public()?,
    };
    let document = Report { public_key: public.to_string(), fingerprint: public.fingerprint().to_string() };
    output.result(&document, || format!("public key   {}\nfingerprint  {}\n", document.public_key, document.fingerprint))?;
    Ok(Exit::Done)
}

fn generate(arguments: &KeyGenerate) -> Result<(Kept, PublicKey)> {
    if !arguments.passphrase {
        let key = PrivateKey::generate()?;
        let public = key.public()?;
        return Ok((Kept::Private(key), public));
    }
    let passphrase = key_file::passphrase()?;
    key::check_passphrase(&passphrase)?;
    let derivation = key::Derivation::generate()?;
    let public = PrivateKey::from_passphrase(&passphrase, &derivation)?.public()?;
    Ok((Kept::Passphrase(derivation), public))
}
