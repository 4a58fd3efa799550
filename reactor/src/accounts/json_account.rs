//! Reads the keys of an account from JSON, in which programs of other systems have them.

use serde_json::Value;
use skiff_conf::Account;

/// Sets one key of an account; `null` leaves it unsaid. The error says what would be right.
pub(crate) fn set(account: &mut Account, key: &str, value: &Value) -> Result<(), String> {
    if key == "folders" {
        return set_folders(account, value);
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
        Value::Bool(_) | Value::Object(_) => Err(wanted(key)),
    }
}

fn wanted(key: &str) -> String {
    format!("{key}: write a text, a number or a list of texts")
}

fn set_folders(account: &mut Account, value: &Value) -> Result<(), String> {
    let wanted = "folders: write an object with paths and rights, as {\"/in\": \"drop-box\"}";
    let folders = match value {
        Value::Null => return Ok(()),
        Value::Object(folders) => folders,
        _ => return Err(wanted.to_owned()),
    };
    for (folder, access) in folders {
        let access = text_of("folders", access)?.ok_or(wanted)?;
        account.set_folder(folder, &access)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_of_all_kinds_are_read() {
        let mut account = Account::proven_elsewhere();
        let answer: Value = serde_json::from_str(
            r#"{"quota": "50MB", "entries": 1000, "access": ["list", "get"], "group": null,
                "hours": ["mon-fri 08:00-18:00", "sat 09:00-12:00"],
                "folders": {"/in": "drop-box", "/out": ["get"]}}"#,
        )
        .unwrap();
        for (key, value) in answer.as_object().unwrap() {
            assert_eq!(set(&mut account, key, value), Ok(()), "{key}");
        }
        assert_eq!(account.hours.map(|hours| hours.len()), Some(2));
        assert_eq!((account.folders.len(), account.group), (2, None));
    }

    #[test]
    fn values_of_the_wrong_kind_are_refused() {
        for (key, value, said) in [
            ("home", "true", "home: write a text"),
            ("access", "[1]", "access: write a text"),
            ("folders", "[]", "folders: write an object"),
            ("folders", r#"{"/in": null}"#, "folders: write an object"),
            ("folders", r#"{"/in": {}}"#, "folders: write a text"),
        ] {
            let value = serde_json::from_str(value).unwrap();
            let wrong = set(&mut Account::proven_elsewhere(), key, &value).unwrap_err();
            assert!(wrong.starts_with(said), "{wrong}");
        }
    }
}
