//! The temporary folder of a run, in which tables are staged and what does not fit in memory is spilled; a run that was killed leaves its own, and
//! the next one removes it.
//!
//! A folder is of a living run as long as the lock in it is held. Whether it is can only be told on the machine that holds it, so the lock names the
//! machine, and folders of others stay: machines of a cluster share one work folder.

use std::path::{Path, PathBuf};
use std::{fs, io};

use sinsang_run::file::{open_own, read_text};
use sinsang_run::lock::{Denied, Lock};
use tempfile::TempDir;

/// What the names of temporary folders begin with.
pub const PREFIX: &str = "sinsang-";
/// The lock in each, by which it is known: a folder without one is somebody else's.
const LOCK: &str = ".sinsang-lock";
/// Bytes of that file.
const LOCK_BYTES: u64 = 4_096;
/// Held while a folder is made or left ones are removed, so that no run meets one between its making and its lock.
const TURN: &str = "sinsang-work.lock";
/// What tells machines apart, and times that one was started.
const MACHINE: [&str; 2] = ["/proc/sys/kernel/random/boot_id", "/proc/sys/kernel/hostname"];

/// A temporary folder that vanishes with this value, or with the next run on this machine where this one is killed.
#[derive(Debug)]
pub struct WorkFolder {
    // The lock first: on some systems a file that is open keeps its folder.
    _lock: Lock,
    folder: TempDir,
}

impl WorkFolder {
    /// Makes a folder in `parent`, which must exist, and removes what killed runs of this machine left there.
    ///
    /// # Errors
    /// Where the folder can't be made or locked.
    pub fn new(parent: &Path) -> io::Result<Self> {
        let machine = machine();
        // Where the file can't be had, as another user's can't, nothing is removed.
        let turn = open_own(&parent.join(TURN));
        let turn = turn.and_then(|turn| turn.lock().map(|()| turn)).ok();
        if let Some(machine) = machine.as_ref().filter(|_| turn.is_some()) {
            for left in left(parent, machine) {
                match fs::remove_dir_all(&left) {
                    Ok(()) => tracing::info!(folder = %left.display(), "removed what a killed run left"),
                    Err(error) => {
                        tracing::warn!(folder = %left.display(), %error, "what a killed run left can't be removed");
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

    /// Where it is.
    pub fn path(&self) -> &Path {
        self.folder.path()
    }
}

/// The machine and its start, in one word; nothing where the system does not tell them.
fn machine() -> Option<String> {
    let parts = MACHINE.map(|path| fs::read_to_string(path).map(|text| text.trim().to_owned()).ok());
    let [Some(boot), Some(host)] = parts else { return None };
    Some(format!("{boot}@{host}"))
}

/// Whether a lock of `other` can be told to be held here: on the same kernel, or by a name that this machine had before it was started anew.
fn is_here(other: &str, machine: &str) -> bool {
    let part = |text: &str, at: usize| text.split('@').nth(at).map(str::to_owned).filter(|part| !part.is_empty());
    (0..2).any(|at| part(other, at).is_some_and(|part_of_other| part(machine, at) == Some(part_of_other)))
}

/// Folders in `parent` whose runs are dead.
fn left(parent: &Path, machine: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(parent).into_iter().flatten().filter_map(Result::ok);
    let ours = entries.filter(|entry| entry.file_name().to_str().is_some_and(|name| name.starts_with(PREFIX)));
    let is_dead = |folder: &PathBuf| {
        let lock = folder.join(LOCK);
        let Ok(text) = read_text(&lock, LOCK_BYTES) else { return false };
        let is_here = text.split_whitespace().next().is_some_and(|other| is_here(other, machine));
        is_here && Lock::take(&lock, &text).is_ok()
    };
    // A link is not followed: what it leads to is elsewhere.
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
