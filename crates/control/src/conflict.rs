//! Two people changed the same record: neither change is lost in silence.

use domain::{Code, Error, FieldError};
use serde::Serialize;
use serde_json::Value;

/// The error for a form that was begun from an older edit: what the other person set is told at each field that differs, and
/// the field `version` has the number of the edit to send next time, if this form is to count after all.
pub(crate) fn changed_meanwhile(what: &str, version: i64, theirs: &impl Serialize, yours: &impl Serialize) -> Error {
    let (theirs, yours) = (fields(theirs), fields(yours));
    let differs = theirs.iter().filter(|(field, value)| yours.get(*field) != Some(value));
    let told = differs.map(|(field, value)| FieldError { field: field.clone(), sentence: sentence(value) });
    let version = FieldError { field: "version".into(), sentence: version.to_string() };
    domain::Told {
        code: Code::Conflict,
        sentence: format!("Somebody else changed this {what} while you were changing it."),
        next_step: "Compare what is marked. Send the form again to put yours in its place, or load the page again to keep theirs.".into(),
        fields: told.chain([version]).collect(),
    }
    .into()
}

/// A form is an object of texts.
fn fields(form: &impl Serialize) -> serde_json::Map<String, Value> {
    match serde_json::to_value(form) {
        Ok(Value::Object(fields)) => fields,
        _ => serde_json::Map::new(),
    }
}

fn sentence(value: &Value) -> String {
    match value.as_str() {
        Some("") => "It is empty now.".into(),
        Some(text) => format!("It is now: {}", text.trim()),
        None => "It is another one now.".into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::TaskForm;

    #[test]
    fn both_values_can_be_seen_and_the_next_form_can_win() {
        let theirs = TaskForm { name: "Nightly".into(), full: "0 3 * * *".into(), ..TaskForm::default() };
        let yours = TaskForm { name: "Nightly".into(), excluded: "scratch".into(), ..TaskForm::default() };
        let error = changed_meanwhile("task", 4, &theirs, &yours);
        assert_eq!(error.code(), Code::Conflict);
        assert_eq!(error.told().field("full"), Some("It is now: 0 3 * * *"));
        assert_eq!(error.told().field("excluded"), Some("It is empty now."));
        assert_eq!(error.told().field("version"), Some("4"));
        assert_eq!(error.told().fields.len(), 3);
    }
}
