//! Atomic file replacement: readers see the old file or the new one, even if the process or the
//! machine dies.

use std::fs::{File, Permissions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;

/// Who may read a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Only its owner: the file contains users' behaviour.
    Owner,
    /// Any user of the machine.
    Everybody,
}

/// A temporary file beside its target, which [`Replacement::put`] replaces. It is removed when
/// dropped; a killed process leaves it under a dot name, which readers of folders skip. Its name is
/// unpredictable, so nobody can plant a link there.
#[derive(Debug)]
pub struct Replacement {
    file: NamedTempFile,
    path: PathBuf,
}

impl Replacement {
    /// Creates a temporary file for `path`, in the same folder. Only its owner can read it until it
    /// is [put](Self::put).
    ///
    /// # Errors
    /// The system's error.
    pub fn of(path: &Path) -> io::Result<Self> {
        let file = tempfile::Builder::new().prefix(".sinsang-").tempfile_in(folder_of(path))?;
        Ok(Self { file, path: path.to_owned() })
    }

    /// The temporary file, for writing.
    pub fn file(&mut self) -> &mut File {
        self.file.as_file_mut()
    }

    /// Moves the file to its target, readable as `access` says. Once this returns, the file
    /// survives a power cut. A link at the target is replaced, not followed.
    ///
    /// # Errors
    /// The system's error; the previous file is then unchanged.
    pub fn put(self, access: Access) -> io::Result<()> {
        #[cfg(unix)]
        self.file.as_file().set_permissions(std::os::unix::fs::PermissionsExt::from_mode(match access {
            Access::Owner => 0o600,
            Access::Everybody => 0o644,
        }))?;
        self.persist()
    }

    /// As [`Self::put`], with the given `permissions`.
    ///
    /// # Errors
    /// The system's error; the previous file is then unchanged.
    pub fn put_with(self, permissions: Permissions) -> io::Result<()> {
        self.file.as_file().set_permissions(permissions)?;
        self.persist()
    }

    fn persist(self) -> io::Result<()> {
        let Self { file, path } = self;
        file.as_file().sync_all()?;
        file.persist(&path).map_err(|error| error.error)?;
        // The directory entry must survive a power cut too; other systems can't open a folder for
        // that.
        #[cfg(unix)]
        File::open(folder_of(&path))?.sync_all()?;
        Ok(())
    }
}

impl Write for Replacement {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

/// Writes `bytes` to a file at `path`, as [`Replacement::put`] does.
///
/// # Errors
/// The system's error; the previous file is then unchanged.
pub fn replace(path: &Path, bytes: &[u8], access: Access) -> io::Result<()> {
    let mut file = Replacement::of(path)?;
    file.write_all(bytes)?;
    file.put(access)
}

/// The path of `name` beside a run's output: `snapshot` gives `snapshot.rejects.ndjson`.
pub fn beside(output: &Path, name: &str) -> PathBuf {
    let mut file = output.file_name().unwrap_or_default().to_owned();
    file.push(".");
    file.push(name);
    output.with_file_name(file)
}

/// The folder of `path`.
fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

#[cfg(all(test, unix))]
mod tests {
    use std::fs;
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    use super::*;

    #[test]
    fn a_file_is_replaced_whole_with_its_access_and_no_link_is_written_through() {
        let folder = tempfile::tempdir().unwrap();
        let [precious, path] = ["precious", "file"].map(|name| folder.path().join(name));
        fs::write(&precious, "mine").unwrap();
        symlink(&precious, &path).unwrap();
        for (bytes, access, mode) in [
            (b"new".as_slice(), Access::Owner, 0o600),
            (b"newer", Access::Everybody, 0o644),
            (b"", Access::Owner, 0o600),
        ] {
            replace(&path, bytes, access).unwrap();
            let metadata = fs::symlink_metadata(&path).unwrap();
            assert!(metadata.is_file() && metadata.permissions().mode() & 0o777 == mode, "{metadata:?}");
            assert_eq!(fs::read(&path).unwrap(), bytes);
        }
        assert_eq!(fs::read_to_string(&precious).unwrap(), "mine");

        // A replacement dropped early leaves the previous file and nothing beside it.
        let mut given_up = Replacement::of(&path).unwrap();
        given_up.write_all(b"half").unwrap();
        assert_eq!(given_up.file().metadata().unwrap().permissions().mode() & 0o777, 0o600, "private while it is made");
        drop(given_up);
        assert_eq!(fs::read(&path).unwrap(), b"");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2);
        assert!(replace(&folder.path().join("no/where"), b"", Access::Owner).is_err());
    }

    #[test]
    fn what_lies_beside_is_named_after_it() {
        assert_eq!(beside(Path::new("a/snapshot"), "builds.ndjson"), Path::new("a/snapshot.builds.ndjson"));
    }
}
