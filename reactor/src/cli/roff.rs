//! Writes manual pages in the man macros of roff(7).

/// The page so far.
pub(super) struct Page(String);

impl Page {
    pub(super) fn new(name: &str, section: u8) -> Self {
        let version = env!("CARGO_PKG_VERSION");
        Self(format!(
            ".TH \"{}\" {section} \"\" \"skiffd {version}\"\n",
            name.to_uppercase()
        ))
    }

    pub(super) fn finish(self) -> String {
        self.0
    }

    pub(super) fn request(&mut self, request: &str) {
        self.0.push_str(&format!(".{request}\n"));
    }

    pub(super) fn section(&mut self, title: &str) {
        self.request(&format!("SH {}", quoted(title)));
    }

    pub(super) fn subsection(&mut self, title: &str) {
        self.request(&format!("SS {}", quoted(title)));
    }

    pub(super) fn bold(&mut self, text: &str) {
        self.request(&format!("B {}", quoted(text)));
    }

    pub(super) fn term(&mut self, term: &str, text: &str) {
        self.request("TP");
        self.bold(term);
        self.text(text);
    }

    pub(super) fn paragraph(&mut self, text: &str) {
        self.request("PP");
        self.text(text);
    }

    pub(super) fn text(&mut self, text: &str) {
        self.0.push_str(&format!("{}\n", escaped(text)));
    }

    /// Lines that stay as they are.
    pub(super) fn verbatim<'a>(&mut self, lines: impl IntoIterator<Item = &'a str>) {
        self.request("PP");
        self.request("nf");
        self.request("RS");
        for line in lines {
            self.text(line);
        }
        self.request("RE");
        self.request("fi");
    }
}

/// Escapes text: backslashes and hyphens are themselves, and no line is a request.
fn escaped(text: &str) -> String {
    let text = text.replace('\\', "\\e").replace('-', "\\-");
    match text.starts_with(['.', '\'']) {
        true => format!("\\&{text}"),
        false => text,
    }
}

/// Escapes an argument of a request.
fn quoted(text: &str) -> String {
    format!("\"{}\"", escaped(text).replace('"', "\\(dq"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_text_is_a_request() {
        assert_eq!(escaped(".. and \\x -r"), "\\&.. and \\ex \\-r");
        assert_eq!(quoted("'a\" b"), "\"\\&'a\\(dq b\"");
    }
}
