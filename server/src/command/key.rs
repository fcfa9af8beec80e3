//! `rookery key`

use crate::{
    Exit,
    arguments::{KeyCommand, KeyGenerate},
    key_file,
    output::Output,
};
use domain::Result;
use seal::{Kept, PrivateKey, kept::Passphrase};
use serde::Serialize;

/// The JSON document.
#[derive(Serialize)]
struct Report {
    public_key: String,
    fingerprint: String,
}

/// Makes a key, or tells which one a file holds.
pub fn run(command: KeyCommand, output: &Output) -> Result<Exit> {
    let kept = match command {
        KeyCommand::Generate(arguments) => {
            let kept = generate(&arguments)?;
            let text = kept.text()?;
            let Some(out) = arguments.out else {
                output.result(&(), || text.to_string())?;
                return Ok(Exit::Done);
            };
            key_file::write(&out, &text)?;
            kept
        }
        KeyCommand::Show(arguments) => key_file::read(&arguments.file)?,
    };
    let public = kept.public()?;
    let document = Report { public_key: public.to_string(), fingerprint: public.fingerprint().to_string() };
    output.result(&document, || format!("public key   {}\nfingerprint  {}\n", document.public_key, document.fingerprint))?;
    Ok(Exit::Done)
}

fn generate(arguments: &KeyGenerate) -> Result<Kept> {
    if arguments.passphrase {
        Passphrase::new(&key_file::new_passphrase()?).map(Kept::Passphrase)
    } else {
        PrivateKey::generate().map(Kept::Private)
    }
}
