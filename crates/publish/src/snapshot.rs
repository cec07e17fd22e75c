//! A snapshot on disk: a folder that mirrors the keys of the store, `manifest` and `pack/<32 hex digits>`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::{fs, io};

use sinsang_core::key::{Key, PACK_PREFIX};
use sinsang_core::pack::manifest::Manifest;
use sinsang_core::pack::{Damage, Kind, MAX_PACK_BYTES, PackId};

/// A file of a snapshot that can't be written, read or used.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The system refused.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// What stands where a pack should is no file: reading it could wait, or never end.
    #[error("{} is not a regular file; build the snapshot again", path.display())]
    NotAFile {
        /// The path.
        path: PathBuf,
    },
    /// A pack is larger than a store takes.
    #[error("{} has {bytes} bytes, and a store takes {MAX_PACK_BYTES} at the most; build the snapshot again", path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// Its length.
        bytes: u64,
    },
    /// A pack is damaged: build the snapshot again.
    #[error("{}: {damage}; build the snapshot again", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        damage: Damage,
    },
    /// The folder holds something else already.
    #[error("{} is not empty and holds no snapshot; choose another folder", path.display())]
    NotASnapshot {
        /// The folder.
        path: PathBuf,
    },
}

fn at(path: &Path) -> impl FnOnce(io::Error) -> Error {
    let path = path.to_owned();
    |source| Error::Io { path, source }
}

/// A snapshot folder.
#[derive(Clone, Debug)]
pub struct Snapshot {
    folder: PathBuf,
}

impl Snapshot {
    /// The snapshot in `folder`, which need not be there yet.
    pub fn at(folder: &Path) -> Self {
        Self { folder: folder.to_owned() }
    }

    /// The file of `key`.
    pub fn file(&self, key: Key) -> PathBuf {
        self.folder.join(key.to_string())
    }

    fn pack_folder(&self) -> PathBuf {
        self.folder.join(PACK_PREFIX.trim_end_matches('/'))
    }

    /// Writes `packs` and then the manifest, so that a folder with a manifest is whole. What an earlier build left there goes.
    ///
    /// # Errors
    /// Where the folder holds something else, or can't be written.
    pub fn write(&self, packs: &BTreeMap<PackId, Vec<u8>>, manifest: &[u8]) -> Result<(), Error> {
        self.clear()?;
        let pack_folder = self.pack_folder();
        fs::create_dir_all(&pack_folder).map_err(at(&pack_folder))?;
        for (id, bytes) in packs {
            // The kind does not show in a key's spelling.
            let path = self.file(Key::Pack(Kind::Board, *id));
            fs::write(&path, bytes).map_err(at(&path))?;
        }
        let path = self.file(Key::Live);
        fs::write(&path, manifest).map_err(at(&path))
    }

    fn clear(&self) -> Result<(), Error> {
        let entries = match fs::read_dir(&self.folder) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            entries => entries.map_err(at(&self.folder))?,
        };
        let names: Vec<_> = entries.collect::<Result<Vec<_>, _>>().map_err(at(&self.folder))?;
        let manifest = self.file(Key::Live);
        let packs = self.pack_folder();
        if names.iter().any(|entry| entry.path() != manifest && entry.path() != packs) {
            return Err(Error::NotASnapshot { path: self.folder.clone() });
        }
        if manifest.exists() {
            fs::remove_file(&manifest).map_err(at(&manifest))?;
        }
        if packs.exists() { fs::remove_dir_all(&packs).map_err(at(&packs)) } else { Ok(()) }
    }

    /// The packs in the folder, named by something or not.
    ///
    /// # Errors
    /// Where the folder can't be read.
    pub fn packs(&self) -> Result<Vec<PackId>, Error> {
        let folder = self.pack_folder();
        let entries = fs::read_dir(&folder).and_then(Iterator::collect::<Result<Vec<_>, _>>).map_err(at(&folder))?;
        Ok(entries.iter().filter_map(|entry| PackId::parse(entry.file_name().to_str()?)).collect())
    }

    /// The bytes under `key`.
    ///
    /// # Errors
    /// Where the file can't be read.
    pub fn read(&self, key: Key) -> Result<Vec<u8>, Error> {
        let path = self.file(key);
        // Looked at before it is opened: a pipe would be waited for.
        let metadata = fs::metadata(&path).map_err(at(&path))?;
        let bytes = metadata.len();
        match () {
            () if !metadata.is_file() => Err(Error::NotAFile { path }),
            () if bytes > MAX_PACK_BYTES as u64 => Err(Error::TooLarge { path, bytes }),
            () => fs::read(&path).map_err(at(&path)),
        }
    }

    /// The length of the value under `key`.
    ///
    /// # Errors
    /// Where the file can't be read.
    pub fn bytes_of(&self, key: Key) -> Result<u64, Error> {
        let path = self.file(key);
        fs::metadata(&path).map(|metadata| metadata.len()).map_err(at(&path))
    }

    /// The manifest.
    ///
    /// # Errors
    /// Where the file can't be read or is damaged.
    pub fn manifest(&self) -> Result<Manifest, Error> {
        let bytes = self.read(Key::Live)?;
        Manifest::parse(bytes).map_err(|damage| Error::Damaged { path: self.file(Key::Live), damage })
    }

    /// Reads the pack under `key` with `parse`, the edge's own reader.
    ///
    /// # Errors
    /// Where the file can't be read or is damaged.
    pub fn parse<T>(&self, key: Key, parse: impl FnOnce(Vec<u8>) -> Result<T, Damage>) -> Result<T, Error> {
        parse(self.read(key)?).map_err(|damage| Error::Damaged { path: self.file(key), damage })
    }
}
