//! Files of this machine, opened and read within bounds. What is no regular file is refused, and links at names that can be told beforehand are not followed.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _};
use std::path::Path;

/// Bytes of a file that people write by hand, or that a command leaves for the next: rules, corrections, words, prices, lists of runs.
pub const SETTINGS_BYTES: u64 = 64 << 20;

/// Opens a file for reading. What is no regular file is refused before it is opened: a pipe would be waited for, and a device such as `/dev/zero`
/// never ends.
///
/// # Errors
/// What the system says, and [`io::ErrorKind::InvalidInput`] for what is no file.
pub fn open_regular(path: &Path) -> io::Result<File> {
    let is_file = fs::metadata(path)?.is_file();
    if is_file { File::open(path) } else { Err(io::Error::new(io::ErrorKind::InvalidInput, "is not a regular file")) }
}

/// Reads a text of at most `most` bytes from a regular file.
///
/// # Errors
/// As of [`read_bytes`], and [`io::ErrorKind::InvalidData`] for what is no UTF-8.
pub fn read_text(path: &Path, most: u64) -> io::Result<String> {
    let no_text = |_| io::Error::new(io::ErrorKind::InvalidData, "stream did not contain valid UTF-8");
    String::from_utf8(read_bytes(path, most)?).map_err(no_text)
}

/// Reads at most `most` bytes, all that there are, from a regular file.
///
/// # Errors
/// As of [`open_regular`], and [`io::ErrorKind::FileTooLarge`].
pub fn read_bytes(path: &Path, most: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let read = open_regular(path)?.take(most.saturating_add(1)).read_to_end(&mut bytes)?;
    if read as u64 > most {
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, format!("is larger than {most} bytes")));
    }
    Ok(bytes)
}

/// Opens a file of ours for reading and writing, as it is, and makes it where it is missing. What stands there and is no regular file, a link
/// among them, is refused: its name can be told beforehand, and whoever put it there says what is written over.
///
/// # Errors
/// What the system says, and [`io::ErrorKind::InvalidInput`] for what is no file.
pub fn open_own(path: &Path) -> io::Result<File> {
    let mut how = OpenOptions::new();
    how.read(true).write(true);
    match how.clone().create_new(true).open(path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        made => return made,
    }
    let no_file = || io::Error::new(io::ErrorKind::InvalidInput, "is a link, or not a regular file");
    let found = fs::symlink_metadata(path)?;
    if !found.is_file() {
        return Err(no_file());
    }
    let file = how.open(path)?;
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt as _;
        let opened = file.metadata()?;
        if (opened.dev(), opened.ino()) != (found.dev(), found.ino()) {
            return Err(no_file());
        }
    }
    Ok(file)
}

#[cfg(all(test, unix))]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn a_file_of_ours_is_made_or_opened_and_no_link_is_followed() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::write(at("precious"), "mine").unwrap();
        symlink(at("precious"), at("link")).unwrap();
        symlink(at("nowhere"), at("dangling")).unwrap();
        for link in ["link", "dangling"] {
            assert_eq!(open_own(&at(link)).unwrap_err().kind(), io::ErrorKind::InvalidInput, "{link}");
        }
        assert!(!at("nowhere").exists());
        assert!(open_own(&at("new")).is_ok() && open_own(&at("new")).is_ok());
    }

    #[test]
    fn files_are_read_to_a_bound_and_what_is_none_is_not_opened() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        fs::write(&path, "네 자").unwrap();
        assert_eq!(read_text(&path, 7).unwrap(), "네 자");
        assert_eq!(read_text(&path, 6).unwrap_err().kind(), io::ErrorKind::FileTooLarge);
        fs::write(&path, [0xff]).unwrap();
        assert_eq!(read_text(&path, 7).unwrap_err().kind(), io::ErrorKind::InvalidData);
        assert_eq!(open_regular(Path::new("/dev/zero")).unwrap_err().kind(), io::ErrorKind::InvalidInput);
    }
}
