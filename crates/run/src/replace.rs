//! A whole file in the place of another: readers see the old one or the new one, whatever dies in between.

use std::fs::{File, Permissions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;

/// Who may read a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Its owner alone: it tells what users did.
    Owner,
    /// Whoever may read other files.
    Everybody,
}

/// A file in the making, beside the one whose place it takes by [`Replacement::put`]. Dropped, it is removed; that of a killed run stays, under a
/// name with a point in front, which readers of folders pass over. Nobody can tell its name beforehand, so no link waits there.
#[derive(Debug)]
pub struct Replacement {
    file: NamedTempFile,
    path: PathBuf,
}

impl Replacement {
    /// Begins a file for the place `path`, in the same folder. Until it is [put](Self::put) its owner alone may read it.
    ///
    /// # Errors
    /// What the system says.
    pub fn of(path: &Path) -> io::Result<Self> {
        let file = tempfile::Builder::new().prefix(".sinsang-").tempfile_in(folder_of(path))?;
        Ok(Self { file, path: path.to_owned() })
    }

    /// The file, to write to.
    pub fn file(&mut self) -> &mut File {
        self.file.as_file_mut()
    }

    /// Puts it in its place, readable for whom `access` names. Once this returns it is there after a power cut too. A link that stands in the place is
    /// replaced, not followed.
    ///
    /// # Errors
    /// What the system says. The file before is then as it was.
    pub fn put(self, access: Access) -> io::Result<()> {
        #[cfg(unix)]
        self.file.as_file().set_permissions(std::os::unix::fs::PermissionsExt::from_mode(match access {
            Access::Owner => 0o600,
            Access::Everybody => 0o644,
        }))?;
        self.persist()
    }

    /// As [`Self::put`], with `permissions` as they are.
    ///
    /// # Errors
    /// What the system says.
    pub fn put_with(self, permissions: Permissions) -> io::Result<()> {
        self.file.as_file().set_permissions(permissions)?;
        self.persist()
    }

    fn persist(self) -> io::Result<()> {
        let Self { file, path } = self;
        file.as_file().sync_all()?;
        file.persist(&path).map_err(|error| error.error)?;
        // The name too has to outlive a power cut; other systems can't open a folder for that.
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

/// Puts a file of `bytes` at `path`, as [`Replacement::put`] does.
///
/// # Errors
/// What the system says. The file before is then as it was.
pub fn replace(path: &Path, bytes: &[u8], access: Access) -> io::Result<()> {
    let mut file = Replacement::of(path)?;
    file.write_all(bytes)?;
    file.put(access)
}

/// `name` beside what a run writes: `snapshot` gives `snapshot.rejects.ndjson`.
pub fn beside(output: &Path, name: &str) -> PathBuf {
    let mut file = output.file_name().unwrap_or_default().to_owned();
    file.push(".");
    file.push(name);
    output.with_file_name(file)
}

/// The folder that `path` lies in.
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

        // One that is given up leaves what was there, and nothing beside it.
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
