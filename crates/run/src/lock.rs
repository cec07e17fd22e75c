//! A file lock held by one process at a time, so that two runs don't write the same folder.

use std::fs::{File, TryLockError};
use std::io::{self, Read as _, Seek as _, Write as _};
use std::path::Path;

use crate::file::open_own;

/// A lock that this process holds until the value is dropped. The file is not removed: two
/// processes could then hold locks on different files of that name.
#[derive(Debug)]
pub struct Lock(File);

/// Why a lock can't be taken.
#[derive(Debug, thiserror::Error)]
pub enum Denied {
    /// Another run holds it.
    #[error("held by {0}")]
    Held(String),
    /// Its file can't be opened, locked or written.
    #[error(transparent)]
    File(#[from] io::Error),
}

impl Lock {
    /// Takes the lock file at `path`, which is created if missing; a link is refused. `holder` is
    /// the text shown to a run that finds the lock held.
    ///
    /// # Errors
    /// [`Denied::Held`], without waiting, with the holder's own text; [`Denied::File`] if the file
    /// can't be opened, locked or written.
    pub fn take(path: &Path, holder: &str) -> Result<Self, Denied> {
        let mut file = open_own(path)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut other = String::new();
                // If the text can't be read, knowing that the lock is held is enough.
                let _ = file.read_to_string(&mut other);
                let other = other.trim();
                return Err(Denied::Held(if other.is_empty() { "another run" } else { other }.to_owned()));
            }
            Err(TryLockError::Error(source)) => return Err(Denied::File(source)),
        }
        let mut lock = Self(file);
        lock.0.set_len(0)?;
        lock.0.rewind()?;
        writeln!(lock.0, "{holder}")?;
        Ok(lock)
    }
}

impl Drop for Lock {
    /// Unlocks explicitly. Closing the file is not enough: a child process started by another
    /// thread holds a copy of the descriptor until it runs its own program, and a lock ends with
    /// the last copy.
    fn drop(&mut self) {
        // If unlocking fails, closing the file is the fallback.
        let _ = self.0.unlock();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_holds_it_and_says_who_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lock");
        let first = Lock::take(&path, "the first, whose name is long").unwrap();
        assert_eq!(Lock::take(&path, "the second").unwrap_err().to_string(), "held by the first, whose name is long");
        drop(first);
        let second = Lock::take(&path, "the second").unwrap();
        assert_eq!(Lock::take(&path, "the third").unwrap_err().to_string(), "held by the second");
        drop(second);
        assert!(matches!(Lock::take(folder.path(), "a folder"), Err(Denied::File(_))));
    }

    #[test]
    fn a_copy_of_the_file_that_a_new_process_has_does_not_keep_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lock");
        let first = Lock::take(&path, "the first").unwrap();
        let copy = first.0.try_clone().unwrap();
        drop(first);
        Lock::take(&path, "the second").unwrap();
        drop(copy);
    }
}
