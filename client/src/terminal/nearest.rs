//! Finds the word that a mistyped one was meant to be.

/// Longer words are not compared.
const LENGTH_MAX: usize = 64;

/// Returns the nearest of `known` to `typed`, if it is near: one slip in three letters, two at most.
pub(crate) fn nearest<'a>(
    typed: &str,
    known: impl IntoIterator<Item = &'a str>,
) -> Option<&'a str> {
    let typed: Vec<char> = typed.chars().take(LENGTH_MAX + 1).collect();
    let slips_max = (typed.len() / 3).clamp(1, 2);
    if typed.len() < 2 || typed.len() > LENGTH_MAX {
        return None;
    }
    let near = known.into_iter().filter_map(|word| {
        let chars: Vec<char> = word.chars().take(LENGTH_MAX + 1).collect();
        // A word of which nothing is kept is no slip.
        let slips = slips(&typed, &chars);
        (slips <= slips_max && slips < chars.len()).then_some((slips, word))
    });
    near.min_by_key(|&(slips, _)| slips).map(|(_, word)| word)
}

/// The fewest letters to insert, delete, replace or swap with their neighbour (optimal string
/// alignment).
fn slips(one: &[char], other: &[char]) -> usize {
    let mut before_last: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=other.len()).collect();
    for (i, a) in one.iter().enumerate() {
        let mut row = vec![i + 1];
        for (j, b) in other.iter().enumerate() {
            let replaced = last[j] + usize::from(a != b);
            let mut fewest = replaced.min(last[j + 1] + 1).min(row[j] + 1);
            if i > 0 && j > 0 && *a == other[j - 1] && one[i - 1] == *b {
                fewest = fewest.min(before_last[j - 1] + 1);
            }
            row.push(fewest);
        }
        before_last = std::mem::replace(&mut last, row);
    }
    last[other.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slips_are_found_and_other_words_are_not() {
        let known = ["get", "put", "mkdir", "rename", "delete", "status"];
        for (typed, meant) in [
            ("gte", Some("get")),
            ("ptu", Some("put")),
            ("mkdri", Some("mkdir")),
            ("renmae", Some("rename")),
            ("detele", Some("delete")),
            ("satus", Some("status")),
            ("frob", None),
            ("g", None),
            ("", None),
        ] {
            assert_eq!(nearest(typed, known), meant, "{typed}");
        }
        let long = "x".repeat(100_000);
        assert_eq!(nearest(&long, known), None);
        assert_eq!(nearest("getx", [long.as_str()]), None);
    }
}
