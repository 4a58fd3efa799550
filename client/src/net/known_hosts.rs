//! Keeps the certificates of servers that were met before, one line each: `host:port sha256:HEX`.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};
pub(crate) use skiff_conf::Fingerprint;
use skiff_conf::HostPort;
use thiserror::Error;

use crate::terminal::format::IoCause;

/// Which certificates are trusted (`--trust`).
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub(crate) enum TrustPolicy {
    /// Known ones; the user is asked about the certificate of a new server.
    #[default]
    Ask,
    /// Known ones, and those of servers that were not met before.
    New,
    /// This one and no other, which the command line names.
    Only(Fingerprint),
    /// The same, named by the settings.
    Pinned(Fingerprint),
}

/// Whether the file knows a server.
#[derive(PartialEq, Eq, Debug)]
pub(crate) enum HostStatus {
    /// The server was met before, with the same certificate.
    Known,
    /// The server was not met before.
    New,
}

/// A certificate is not trusted; the login was not begun.
#[derive(Debug, Error)]
pub(crate) enum CertificateError {
    #[error(
        "{server}: the certificate has changed!\n  it was {was} ({file}:{line})\n  it is  {is}\n\
         someone may stand in between. nothing was sent. if the server's operator says that the \
         new one is right, delete line {line} of {file}"
    )]
    Changed {
        server: String,
        was: Fingerprint,
        is: Fingerprint,
        file: String,
        line: usize,
    },
    #[error("{server}: the certificate is {is}, not the one that --trust names")]
    Mismatch { server: String, is: Fingerprint },
    #[error(
        "{server}: the certificate has changed!\n  the settings pin {was}\n  it is            {is}\n\
         someone may stand in between. nothing was sent. if the server's operator says that the \
         new one is right, make it the fingerprint of the host {alias:?}"
    )]
    NotPinned {
        server: String,
        alias: String,
        was: Fingerprint,
        is: Fingerprint,
    },
    #[error(
        "{server}: not met before, its certificate is {is}, and nobody can be asked; \
         say --trust new, or --trust {is}"
    )]
    Unknown { server: String, is: Fingerprint },
    #[error("{server}: its certificate was not trusted")]
    Declined { server: String },
    #[error("{file}:{line}: not `host:port sha256:HEX`; correct or delete the line")]
    MalformedLine { file: String, line: usize },
    #[error("{file}: {}", IoCause(.cause))]
    File { file: String, cause: io::Error },
}

/// The known hosts file; it need not exist.
pub(crate) struct KnownHosts {
    path: PathBuf,
}

impl KnownHosts {
    /// Names the file; reads nothing yet.
    pub(crate) fn at(path: PathBuf) -> Self {
        Self { path }
    }

    /// Compares a server's certificate with the remembered one.
    ///
    /// # Errors
    ///
    /// [`CertificateError`] where the certificate has changed, a line is malformed, or the file
    /// cannot be read.
    pub(crate) fn look_up(
        &self,
        server: &HostPort,
        is: Fingerprint,
    ) -> Result<HostStatus, CertificateError> {
        let text = match fs::read_to_string(&self.path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(HostStatus::New),
            Err(cause) => return Err(self.file_error(cause)),
        };
        let server = host_and_port(server);
        for (index, row) in text.lines().enumerate() {
            let line = index + 1;
            let Some((known, was)) =
                parse_row(row).map_err(|MalformedRow| self.malformed_line(line))?
            else {
                continue;
            };
            if known != server {
                continue;
            }
            if was == is {
                return Ok(HostStatus::Known);
            }
            let file = self.path.display().to_string();
            return Err(CertificateError::Changed {
                server,
                was,
                is,
                file,
                line,
            });
        }
        Ok(HostStatus::New)
    }

    /// Returns the hosts of the file, without their ports; none where it cannot be read.
    pub(crate) fn hosts(&self) -> Vec<String> {
        let text = fs::read_to_string(&self.path).unwrap_or_default();
        let servers = text
            .lines()
            .filter_map(|row| parse_row(row).ok()??.0.parse().ok());
        servers.map(|server: HostPort| server.host).collect()
    }

    /// Appends a line for the server. A new file is readable by its owner alone.
    pub(crate) fn remember(
        &self,
        server: &HostPort,
        is: Fingerprint,
    ) -> Result<(), CertificateError> {
        self.append(&format!("{} {is}\n", host_and_port(server)))
            .map_err(|cause| self.file_error(cause))
    }

    fn append(&self, line: &str) -> io::Result<()> {
        if let Some(folder) = self
            .path
            .parent()
            .filter(|folder| !folder.as_os_str().is_empty())
        {
            fs::DirBuilder::new()
                .recursive(true)
                .mode(0o700)
                .create(folder)?;
        }
        let mut file = OpenOptions::new()
            .create(true)
            .append(true)
            .mode(0o600)
            .open(&self.path)?;
        let starts_line = !lacks_final_newline(&self.path)?;
        let line = if starts_line {
            line.to_owned()
        } else {
            format!("\n{line}")
        };
        file.write_all(line.as_bytes())?;
        file.sync_all()
    }

    fn file_error(&self, cause: io::Error) -> CertificateError {
        CertificateError::File {
            file: self.path.display().to_string(),
            cause,
        }
    }

    fn malformed_line(&self, line: usize) -> CertificateError {
        CertificateError::MalformedLine {
            file: self.path.display().to_string(),
            line,
        }
    }
}

/// Hashes a certificate.
pub(crate) fn fingerprint_of(certificate: &[u8]) -> Fingerprint {
    <[u8; 32]>::from(Sha256::digest(certificate)).into()
}

/// Returns a server's address as the file writes it: `host:port` in lower case, or `[::1]:8001`.
pub(crate) fn host_and_port(server: &HostPort) -> String {
    let host = server.host.to_ascii_lowercase();
    match host.contains(':') {
        true => format!("[{host}]:{}", server.port),
        false => format!("{host}:{}", server.port),
    }
}

/// The row is not `host:port sha256:HEX`.
struct MalformedRow;

/// Parses a row; `None` for an empty one and for a comment.
fn parse_row(row: &str) -> Result<Option<(&str, Fingerprint)>, MalformedRow> {
    let row = row.trim();
    if row.is_empty() || row.starts_with('#') {
        return Ok(None);
    }
    let (server, fingerprint) = row.split_once(' ').ok_or(MalformedRow)?;
    let fingerprint = fingerprint.trim().parse().map_err(|_| MalformedRow)?;
    Ok(Some((server, fingerprint)))
}

/// True when the last line has no line end, as after an edit by hand.
fn lacks_final_newline(path: &Path) -> io::Result<bool> {
    let bytes = fs::read(path)?;
    Ok(bytes.last().is_some_and(|&last| last != b'\n'))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn hosts() -> (tempfile::TempDir, KnownHosts) {
        let folder = tempfile::tempdir().unwrap();
        let hosts = KnownHosts::at(folder.path().join("new/known_hosts"));
        (folder, hosts)
    }

    fn server(text: &str) -> HostPort {
        text.parse().unwrap()
    }

    #[test]
    fn met_then_known_then_changed() {
        let (_folder, hosts) = hosts();
        let (one, two) = (fingerprint_of(b"one"), fingerprint_of(b"two"));
        let here = server("Files.example:8001");
        assert_eq!(hosts.look_up(&here, one).unwrap(), HostStatus::New);
        hosts.remember(&here, one).unwrap();
        hosts.remember(&server("[::1]:9"), two).unwrap();
        assert_eq!(
            hosts.look_up(&server("files.EXAMPLE"), one).unwrap(),
            HostStatus::Known
        );
        assert_eq!(
            hosts.look_up(&server("[::1]:9"), two).unwrap(),
            HostStatus::Known
        );
        assert_eq!(
            hosts.look_up(&server("files.example:8002"), two).unwrap(),
            HostStatus::New
        );
        let Err(CertificateError::Changed { was, is, line, .. }) = hosts.look_up(&here, two) else {
            panic!("a changed certificate was not seen");
        };
        assert_eq!((was, is, line), (one, two, 1));
    }

    #[test]
    fn the_file_is_its_owners_alone_and_keeps_what_was_written_by_hand() {
        let (_folder, hosts) = hosts();
        let one = fingerprint_of(b"one");
        hosts.remember(&server("a"), one).unwrap();
        let mode = fs::metadata(&hosts.path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        fs::write(&hosts.path, format!("# mine\n\nb:8001 {one}")).unwrap();
        hosts.remember(&server("c"), one).unwrap();
        for host in ["b", "c"] {
            assert_eq!(
                hosts.look_up(&server(host), one).unwrap(),
                HostStatus::Known,
                "{host}"
            );
        }
    }

    #[test]
    fn a_line_that_makes_no_sense_is_named_and_trusts_nobody() {
        let (_folder, hosts) = hosts();
        let one = fingerprint_of(b"one");
        hosts.remember(&server("a"), one).unwrap();
        fs::write(&hosts.path, "# mine\nb:8001 sha256:12\n").unwrap();
        let found = hosts.look_up(&server("b"), one);
        assert!(matches!(
            found,
            Err(CertificateError::MalformedLine { line: 2, .. })
        ));
    }
}
