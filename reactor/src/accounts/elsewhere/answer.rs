//! Reads what the authenticator says of a user.

use serde_json::{Map, Value};
use skiff_conf::Account;

use crate::accounts::json_account;

#[derive(Debug)]
pub(super) enum Answer {
    Known(Box<Account>),
    /// There is no such user, or the password is wrong.
    Unknown,
}

/// Reads an object with `ok` and keys of an account. The error says what would be right.
pub(super) fn read(said: &[u8]) -> Result<Answer, String> {
    let wanted = "it must write an object of JSON, as {\"ok\": true, \"quota\": \"1GB\"}";
    let mut keys: Map<String, Value> = serde_json::from_slice(said)
        .map_err(|why| format!("its answer is not understood: {why}; {wanted}"))?;
    match keys.remove("ok") {
        Some(Value::Bool(true)) => {}
        Some(Value::Bool(false)) => return Ok(Answer::Unknown),
        _ => return Err("its answer has no \"ok\", which is true or false".to_owned()),
    }
    let mut account = Account::proven_elsewhere();
    for (key, value) in &keys {
        let set = json_account::set(&mut account, key, value, &["ok"]);
        set.map_err(|why| format!("its answer is not right: {why}"))?;
    }
    Ok(Answer::Known(Box::new(account)))
}
