//! Finds the word that somebody meant who wrote another.

/// Returns the most similar of the known words, where it is near enough to be meant.
pub fn nearest<'a>(found: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let distances = known.into_iter().map(|word| (distance(found, word), word));
    let (edits, word) = distances.min_by_key(|(edits, _)| *edits)?;
    (edits <= 1 + found.len() / 4).then_some(word)
}

/// The number of edits (insert, delete, replace) between two words; case does not count.
fn distance(a: &str, b: &str) -> usize {
    let b = b.to_lowercase();
    let mut row: Vec<usize> = (0..=b.chars().count()).collect();
    for (i, x) in a.to_lowercase().chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, y) in b.chars().enumerate() {
            let replaced = diagonal + usize::from(x != y);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.chars().count()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distance_counts_edits() {
        assert_eq!(distance("", "abc"), 3);
        assert_eq!(distance("abc", ""), 3);
        assert_eq!(distance("sitting", "kitten"), 3);
        assert_eq!(distance("Tls", "tls"), 0);
    }

    #[test]
    fn what_is_near_is_meant() {
        let known = ["nas", "backup"];
        assert_eq!(nearest("nsa", known), None);
        assert_eq!(nearest("nass", known), Some("nas"));
        assert_eq!(nearest("bakcup", known), Some("backup"));
        assert_eq!(nearest("files.example", known), None);
        assert_eq!(nearest("nas", []), None);
    }
}
