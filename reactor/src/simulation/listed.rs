//! What peers were sent, held against the books.

use super::scene::Scene;

/// A listing has all names of the peer's own, and none that its home does not have.
pub(super) fn check_listed(
    slot: usize,
    folder: &str,
    names: &[String],
    scene: &Scene<'_>,
) -> Result<(), String> {
    for name in names {
        if !scene.books.is_known(name) && !scene.may_be(name) {
            return Err(format!(
                "the listing of {folder:?} has {name:?}, which nobody has made"
            ));
        }
    }
    let own = match folder {
        "" => format!("s{slot}-"),
        folder => format!("{folder}/"),
    };
    for name in scene.books.names(&own) {
        let is_here = !(folder.is_empty() && name.contains('/'));
        let is_listed = names.iter().any(|listed| listed == name);
        if is_here && scene.books.value(name).is_some() && !is_listed {
            return Err(format!(
                "the listing of {folder:?} does not have {name}: {names:?}"
            ));
        }
    }
    Ok(())
}

impl Scene<'_> {
    /// What was fetched whole is what the name leads to.
    pub(super) fn check_fetched(&self, name: &str, bytes: &[u8]) -> Result<(), String> {
        match self.books.value(name) {
            _ if name.starts_with('x') => match self.books.is_allowed_shared(name, bytes) {
                true => Ok(()),
                false => Err(format!("{name} was fetched, which nobody has sent")),
            },
            Some(value) if value.bytes() == bytes => Ok(()),
            Some(value) => Err(format!(
                "{name} was fetched with {} bytes, which are not {value:?}",
                bytes.len()
            )),
            None => Ok(()),
        }
    }
}
