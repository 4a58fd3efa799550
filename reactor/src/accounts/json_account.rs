//! Reads the keys of an account from JSON, in which programs of other systems have them.

use serde_json::{Map, Value};
use skiff_conf::{Account, is_switch, is_text_key, unknown_key};

/// The keys that are objects.
const OBJECTS: [&str; 3] = ["folders", "rates", "session_rates"];

/// Sets one key of an account; `null` leaves it unsaid. The error says what would be right, with
/// the keys of its caller, `more`, beside those of accounts.
pub(crate) fn set(
    account: &mut Account,
    key: &str,
    value: &Value,
    more: &[&str],
) -> Result<(), String> {
    match key {
        "folders" => return set_folders(account, value),
        "rates" => return set_rates(account, key, "", value),
        "session_rates" => return set_rates(account, key, "session_", value),
        _ if !is_text_key(key) => return Err(unknown_key(key, &[more, &OBJECTS].concat())),
        _ => {}
    }
    match text_of(key, value)? {
        Some(text) => account.set_text(key, &text),
        None => Ok(()),
    }
}

/// A value as text: a list with commas, and one of hours with semicolons.
pub(crate) fn text_of(key: &str, value: &Value) -> Result<Option<String>, String> {
    match value {
        Value::Null => Ok(None),
        Value::String(text) => Ok(Some(text.clone())),
        Value::Number(number) => Ok(Some(number.to_string())),
        Value::Array(list) => {
            let texts = list.iter().map(Value::as_str);
            let texts: Option<Vec<&str>> = texts.collect();
            let separator = if key == "hours" { ";" } else { "," };
            let joined = texts.map(|texts| texts.join(separator));
            joined.map(Some).ok_or_else(|| wanted(key))
        }
        Value::Bool(is_on) if is_switch(key) => Ok(Some(is_on.to_string())),
        Value::Bool(_) | Value::Object(_) => Err(wanted(key)),
    }
}

fn wanted(key: &str) -> String {
    match is_switch(key) {
        true => format!("{key}: write true or false"),
        false => format!("{key}: write a text, a number or a list of texts"),
    }
}

fn object<'a>(value: &'a Value, wanted: &str) -> Result<Option<&'a Map<String, Value>>, String> {
    match value {
        Value::Null => Ok(None),
        Value::Object(object) => Ok(Some(object)),
        _ => Err(wanted.to_owned()),
    }
}

/// Sets rates by the keys of text that they have, which begin with `prefix`.
fn set_rates(account: &mut Account, key: &str, prefix: &str, value: &Value) -> Result<(), String> {
    let wanted =
        format!("{key}: write an object with upload and download, as {{\"upload\": \"5MB\"}}");
    let rates = object(value, &wanted)?;
    for (direction, rate) in rates.into_iter().flatten() {
        if !matches!(direction.as_str(), "upload" | "download") {
            return Err(wanted);
        }
        let text_key = format!("{prefix}{direction}_rate");
        if let Some(rate) = text_of(&text_key, rate)? {
            account.set_text(&text_key, &rate)?;
        }
    }
    Ok(())
}

fn set_folders(account: &mut Account, value: &Value) -> Result<(), String> {
    let wanted = "folders: write an object with paths and rights, as {\"/in\": \"drop-box\"}";
    let folders = object(value, wanted)?;
    for (folder, access) in folders.into_iter().flatten() {
        let access = text_of("folders", access)?.ok_or(wanted)?;
        account.set_folder(folder, &access)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use skiff_conf::{PasswordRight, Rate, WhenFull};

    use super::*;

    #[test]
    fn values_of_all_kinds_are_read() {
        let mut account = Account::proven_elsewhere();
        let answer: Value = serde_json::from_str(
            r#"{"quota": "50MB", "entries": 1000, "access": ["list", "get"], "group": null,
                "hours": ["mon-fri 08:00-18:00", "sat 09:00-12:00"],
                "folders": {"/in": "drop-box", "/out": ["get"]}, "keep": "14d", "ring": true,
                "rates": {"upload": "1MB", "download": null}, "session_rates": {"download": "2MB"},
                "passwd": false, "upload_rate": null, "data_close_notify": "warn"}"#,
        )
        .unwrap();
        for (key, value) in answer.as_object().unwrap() {
            assert_eq!(set(&mut account, key, value, &[]), Ok(()), "{key}");
        }
        assert_eq!(account.hours.map(|hours| hours.len()), Some(2));
        assert_eq!((account.folders.len(), account.group), (2, None));
        assert_eq!(
            account.keep.map(|age| age.to_string()).as_deref(),
            Some("14d")
        );
        assert_eq!(account.ring, Some(WhenFull::RemoveOldest));
        let rates = account.rates.unwrap();
        assert_eq!(rates.upload.and_then(Rate::get), Some(1_000_000));
        assert_eq!(rates.download, None);
        let of_session = account.session_rates.unwrap();
        assert_eq!(of_session.download.and_then(Rate::get), Some(2_000_000));
        assert_eq!(account.passwd, Some(PasswordRight::Fixed));
    }

    #[test]
    fn values_of_the_wrong_kind_are_refused() {
        for (key, value, said) in [
            ("home", "true", "home: write a text"),
            ("access", "[1]", "access: write a text"),
            ("folders", "[]", "folders: write an object"),
            ("folders", r#"{"/in": null}"#, "folders: write an object"),
            ("folders", r#"{"/in": {}}"#, "folders: write a text"),
            ("ring", r#"{"on": 1}"#, "ring: write true or false"),
            ("keep", "true", "keep: write a text"),
            ("keep", "14", "keep: \"14\" is not an age"),
            ("rates", r#""1MB""#, "rates: write an object with upload"),
            (
                "rates",
                r#"{"up": "1MB"}"#,
                "rates: write an object with upload",
            ),
            (
                "session_rates",
                r#"{"upload": "1B"}"#,
                "session_upload_rate: \"1B\"",
            ),
            (
                "rings",
                "true",
                "unknown key \"rings\"; did you mean \"ring\"?",
            ),
            ("rate", "1", "unknown key \"rate\"; did you mean \"rates\"?"),
        ] {
            let value = serde_json::from_str(value).unwrap();
            let wrong = set(&mut Account::proven_elsewhere(), key, &value, &[]).unwrap_err();
            assert!(wrong.starts_with(said), "{wrong}");
        }
    }
}
