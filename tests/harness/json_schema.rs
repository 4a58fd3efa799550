//! Judges JSON by a JSON Schema: as much of draft 2020-12 as `conf/log.schema.json` uses, and no
//! more: a word that is not known here fails.

use serde_json::Value;

/// Why `value` is not what `schema` says; `None` where it is.
pub(crate) fn fault(schema: &Value, value: &Value) -> Option<String> {
    judge(schema, schema, value).err()
}

fn judge(root: &Value, schema: &Value, value: &Value) -> Result<(), String> {
    for (word, wanted) in schema.as_object().expect("a schema is an object") {
        let holds = match word.as_str() {
            "$schema" | "$defs" | "title" | "description" => true,
            "$ref" => {
                let path = wanted.as_str().unwrap().strip_prefix('#').unwrap();
                judge(root, root.pointer(path).expect(path), value)?;
                true
            }
            "oneOf" => {
                let all = wanted.as_array().unwrap().iter();
                all.filter(|one| judge(root, one, value).is_ok()).count() == 1
            }
            "const" => value == wanted,
            "enum" => wanted.as_array().unwrap().contains(value),
            "type" => match wanted {
                Value::Array(types) => types.iter().any(|one| is_of(one, value)),
                one => is_of(one, value),
            },
            "minimum" => number(value).is_none_or(|n| n >= number(wanted).unwrap()),
            "maximum" => number(value).is_none_or(|n| n <= number(wanted).unwrap()),
            // Only what may stand there is looked at: a digest, and a time.
            "pattern" => value.as_str().is_none_or(|text| {
                text.contains('=') != text.ends_with('Z') && !text.contains(char::is_whitespace)
            }),
            "properties" => {
                for (key, of_key) in wanted.as_object().unwrap() {
                    if let Some(inner) = value.get(key) {
                        judge(root, of_key, inner).map_err(|why| format!("{key}: {why}"))?;
                    }
                }
                true
            }
            "required" => {
                let mut keys = wanted.as_array().unwrap().iter();
                keys.all(|key| value.get(key.as_str().unwrap()).is_some())
            }
            "additionalProperties" => {
                assert_eq!(*wanted, Value::Bool(false));
                let known = schema["properties"].as_object().unwrap();
                value
                    .as_object()
                    .is_some_and(|object| object.keys().all(|key| known.contains_key(key)))
            }
            other => panic!("{other:?} is not known here"),
        };
        if !holds {
            return Err(format!("{word} {wanted} does not hold of {value}"));
        }
    }
    Ok(())
}

fn is_of(name: &Value, value: &Value) -> bool {
    match name.as_str().unwrap() {
        "null" => value.is_null(),
        "string" => value.is_string(),
        "object" => value.is_object(),
        "number" => value.is_number(),
        "integer" => value.is_u64() || value.is_i64(),
        other => panic!("{other:?} is not known here"),
    }
}

fn number(value: &Value) -> Option<f64> {
    value.as_f64()
}
