//! The temporary folder of a run, for staged tables and spilled data. A killed run leaves its
//! folder behind, and the next run removes it.
//!
//! A folder belongs to a live run as long as its lock is held. Only the machine that holds a lock
//! can test it, so the lock names the machine, and other machines' folders are kept: machines of a
//! cluster share one work folder.

use std::path::{Path, PathBuf};
use std::{fs, io};

use sinsang_run::file::{open_own, read_text};
use sinsang_run::lock::{Denied, Lock};
use tempfile::TempDir;

/// Prefix of temporary folders' names.
pub const PREFIX: &str = "sinsang-";
/// The lock file that marks a folder as ours; folders without one are left alone.
const LOCK: &str = ".sinsang-lock";
/// Byte limit of the lock file.
const LOCK_BYTES: u64 = 4_096;
/// Lock held while a folder is created or stale ones are removed, so that no run removes a folder
/// between its creation and its lock.
const TURN: &str = "sinsang-work.lock";
/// Files that identify a machine, and its current boot.
const MACHINE: [&str; 2] = ["/proc/sys/kernel/random/boot_id", "/proc/sys/kernel/hostname"];

/// A temporary folder, removed when dropped. If its run is killed, the next run on this machine
/// removes it.
#[derive(Debug)]
pub struct WorkFolder {
    // The lock is dropped first: on some systems an open file keeps its folder.
    _lock: Lock,
    folder: TempDir,
}

impl WorkFolder {
    /// Creates a folder in `parent`, which must exist, and removes the folders of this machine's
    /// killed runs there.
    ///
    /// # Errors
    /// An error if the folder can't be created or locked.
    pub fn new(parent: &Path) -> io::Result<Self> {
        let machine = machine();
        // Without this lock, for example because another user owns the file, nothing is removed.
        let turn = open_own(&parent.join(TURN));
        let turn = turn.and_then(|turn| turn.lock().map(|()| turn)).ok();
        if let Some(machine) = machine.as_ref().filter(|_| turn.is_some()) {
            for left in left(parent, machine) {
                match fs::remove_dir_all(&left) {
                    Ok(()) => tracing::info!(folder = %left.display(), "removed the work folder of a killed run"),
                    Err(error) => {
                        tracing::warn!(folder = %left.display(), %error, "can't remove the work folder of a killed run");
                    }
                }
            }
        }
        let folder = tempfile::Builder::new().prefix(PREFIX).tempdir_in(parent)?;
        let text = format!("{} process {}", machine.unwrap_or_default(), std::process::id());
        let lock = Lock::take(&folder.path().join(LOCK), &text).map_err(|denied| match denied {
            Denied::File(error) => error,
            held @ Denied::Held(_) => io::Error::other(held),
        })?;
        Ok(Self { _lock: lock, folder })
    }

    /// The folder's path.
    pub fn path(&self) -> &Path {
        self.folder.path()
    }
}

/// The machine and its boot id, in one word; `None` if the system does not provide them.
fn machine() -> Option<String> {
    let parts = MACHINE.map(|path| fs::read_to_string(path).map(|text| text.trim().to_owned()).ok());
    let [Some(boot), Some(host)] = parts else { return None };
    Some(format!("{boot}@{host}"))
}

/// Whether a lock of machine `other` can be tested here: the boot id is the same, or the host name,
/// from before a reboot.
fn is_here(other: &str, machine: &str) -> bool {
    let part = |text: &str, at: usize| text.split('@').nth(at).map(str::to_owned).filter(|part| !part.is_empty());
    (0..2).any(|at| part(other, at).is_some_and(|part_of_other| part(machine, at) == Some(part_of_other)))
}

/// Folders in `parent` of dead runs.
fn left(parent: &Path, machine: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(parent).into_iter().flatten().filter_map(Result::ok);
    let ours = entries.filter(|entry| entry.file_name().to_str().is_some_and(|name| name.starts_with(PREFIX)));
    let is_dead = |folder: &PathBuf| {
        let lock = folder.join(LOCK);
        let Ok(text) = read_text(&lock, LOCK_BYTES) else { return false };
        let is_here = text.split_whitespace().next().is_some_and(|other| is_here(other, machine));
        is_here && Lock::take(&lock, &text).is_ok()
    };
    // Links are not followed: their targets are elsewhere.
    ours.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()))
        .map(|entry| entry.path())
        .filter(is_dead)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folders(parent: &Path) -> Vec<String> {
        let entries = fs::read_dir(parent).unwrap().map(|entry| entry.unwrap());
        let folders = entries.filter(|entry| entry.path().is_dir());
        let mut names: Vec<String> = folders.map(|entry| entry.file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[test]
    fn what_a_killed_run_left_goes_and_what_a_living_one_has_stays() {
        let parent = tempfile::tempdir().unwrap();
        let machine = machine().unwrap();
        let left = |name: &str, text: &str| {
            fs::create_dir_all(parent.path().join(name)).unwrap();
            fs::write(parent.path().join(name).join("events.parquet"), "somebody's events").unwrap();
            fs::write(parent.path().join(name).join(LOCK), text).unwrap();
        };
        left("sinsang-killed", &format!("{machine} process 1\n"));
        left("sinsang-before", &format!("another-boot@{} process 1\n", machine.split('@').nth(1).unwrap()));
        left("sinsang-elsewhere", "another-boot@another-host process 1\n");
        left("another-killed", &format!("{machine} process 1\n"));
        fs::create_dir(parent.path().join("sinsang-of-a-test")).unwrap();
        let living = WorkFolder::new(parent.path()).unwrap();
        fs::write(living.path().join("events.parquet"), "somebody's events").unwrap();
        let its = living.path().file_name().unwrap().to_str().unwrap().to_owned();
        let mut expected =
            vec!["another-killed".to_owned(), "sinsang-elsewhere".into(), "sinsang-of-a-test".into(), its];
        expected.sort();
        assert_eq!(folders(parent.path()), expected);

        let second = WorkFolder::new(parent.path()).unwrap();
        assert!(living.path().join("events.parquet").exists() && second.path().exists());
        drop((living, second));
        expected.retain(|name| ["another-killed", "sinsang-elsewhere", "sinsang-of-a-test"].contains(&name.as_str()));
        assert_eq!(folders(parent.path()), expected);
    }
}
