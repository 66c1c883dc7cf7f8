//! State on disk as a journal of JSON lines: a change is written before it is answered, and a line that a
//! kill tore is a change that never happened. Survives the process, not the machine: there is no fsync.

use serde::Serialize;
use serde::de::DeserializeOwned;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// Who may read the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// The owner alone: 0600.
    Private,
    /// As the umask says.
    Shared,
}

/// A journal, or nothing where state is kept in memory only.
#[derive(Debug, Default)]
pub struct Journal {
    file: Option<File>,
}

impl Journal {
    /// Keeps nothing.
    #[must_use]
    pub fn none() -> Self {
        Self::default()
    }

    /// Reads what is in `path`, has `shorten` put it in its shortest form, writes that and goes on appending.
    ///
    /// # Errors
    /// The file cannot be read or written, or a line other than the last is damaged.
    pub fn open<R, S>(path: &Path, access: Access, shorten: impl FnOnce(Vec<R>) -> (S, Vec<R>)) -> io::Result<(S, Self)>
    where
        R: Serialize + DeserializeOwned,
    {
        let (state, records) = shorten(read(path)?);
        let draft = draft_of(path);
        let mut file = create(&draft, access)?;
        for record in &records {
            file.write_all(&line_of(record)?)?;
        }
        drop(file);
        std::fs::rename(&draft, path)?;
        let file = OpenOptions::new().append(true).open(path)?;
        Ok((state, Self { file: Some(file) }))
    }

    /// Writes one change.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn append<R: Serialize>(&mut self, record: &R) -> io::Result<()> {
        match &mut self.file {
            Some(file) => file.write_all(&line_of(record)?),
            None => Ok(()),
        }
    }
}

fn read<R: DeserializeOwned>(path: &Path) -> io::Result<Vec<R>> {
    let text = match std::fs::read(path) {
        Ok(text) => text,
        Err(missing) if missing.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(other) => return Err(other),
    };
    let whole = text.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
    text[..whole]
        .split(|byte| *byte == b'\n')
        .filter(|line| !line.is_empty())
        .map(|line| serde_json::from_slice(line).map_err(io::Error::from))
        .collect()
}

fn create(path: &Path, access: Access) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true);
    if access == Access::Private {
        options.mode(0o600);
    }
    options.open(path)
}

fn draft_of(path: &Path) -> PathBuf {
    let mut draft = path.as_os_str().to_owned();
    draft.push(".new");
    PathBuf::from(draft)
}

fn line_of<R: Serialize>(record: &R) -> io::Result<Vec<u8>> {
    let mut line = serde_json::to_vec(record)?;
    line.push(b'\n');
    Ok(line)
}

/// The bytes in `path`; where there are none, those that `make` gives, kept for the next start.
///
/// # Errors
/// The file cannot be read or written.
pub fn read_or_make(path: &Path, make: impl FnOnce() -> io::Result<Vec<u8>>) -> io::Result<Vec<u8>> {
    match std::fs::read(path) {
        Err(missing) if missing.kind() == io::ErrorKind::NotFound => {}
        other => return other,
    }
    let bytes = make()?;
    let draft = draft_of(path);
    create(&draft, Access::Private)?.write_all(&bytes)?;
    std::fs::rename(&draft, path)?;
    Ok(bytes)
}
