//! Local files, opened and read within bounds. Only regular files are accepted, and links at
//! predictable names are not followed.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _};
use std::path::Path;

/// Most bytes of a file that people write by hand, or that one command leaves for the next: rules,
/// corrections, words, prices, lists of runs.
pub const SETTINGS_BYTES: u64 = 64 << 20;

/// Opens a regular file for reading. Other files are refused before opening: a pipe would block,
/// and a device such as `/dev/zero` never ends.
///
/// # Errors
/// The system's error; [`io::ErrorKind::InvalidInput`] if `path` is not a regular file.
pub fn open_regular(path: &Path) -> io::Result<File> {
    let is_file = fs::metadata(path)?.is_file();
    if is_file { File::open(path) } else { Err(io::Error::new(io::ErrorKind::InvalidInput, "is not a regular file")) }
}

/// Reads a text of at most `most` bytes from a regular file.
///
/// # Errors
/// As [`read_bytes`]; [`io::ErrorKind::InvalidData`] if the text is not UTF-8.
pub fn read_text(path: &Path, most: u64) -> io::Result<String> {
    let no_text = |_| io::Error::new(io::ErrorKind::InvalidData, "is not valid UTF-8");
    String::from_utf8(read_bytes(path, most)?).map_err(no_text)
}

/// Reads a complete regular file of at most `most` bytes.
///
/// # Errors
/// As [`open_regular`]; [`io::ErrorKind::FileTooLarge`] if the file is larger.
pub fn read_bytes(path: &Path, most: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let read = open_regular(path)?.take(most.saturating_add(1)).read_to_end(&mut bytes)?;
    if read as u64 > most {
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, format!("is larger than {most} bytes")));
    }
    Ok(bytes)
}

/// Opens one of our own files for reading and writing, without truncating it; creates it if
/// missing. A link or anything else that is not a regular file is refused: the name is predictable,
/// and whoever planted it would choose the file that is overwritten.
///
/// # Errors
/// The system's error; [`io::ErrorKind::InvalidInput`] if the path is a link or not a regular file.
pub fn open_own(path: &Path) -> io::Result<File> {
    let mut how = OpenOptions::new();
    how.read(true).write(true);
    match how.clone().create_new(true).open(path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        made => return made,
    }
    let no_file = || io::Error::new(io::ErrorKind::InvalidInput, "is a link or not a regular file");
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
