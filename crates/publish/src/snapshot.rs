//! A snapshot on disk: a folder that mirrors the keys of the store, `manifest` and
//! `pack/<32 hex digits>`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::{fs, io};

use sinsang_core::key::{Key, PACK_PREFIX};
use sinsang_core::pack::manifest::Manifest;
use sinsang_core::pack::{Damage, Kind, MAX_PACK_BYTES, PackId};

/// Why a file of a snapshot can't be written, read or used.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The operating system refused.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// The operating system's error.
        source: io::Error,
    },
    /// The path of a pack is not a regular file: reading it could block for ever.
    #[error("{} is not a regular file; build the snapshot again", path.display())]
    NotAFile {
        /// The path.
        path: PathBuf,
    },
    /// A pack exceeds the largest value that a store accepts.
    #[error("{} has {bytes} bytes, but a store takes at most {MAX_PACK_BYTES}; build the snapshot again", path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// Its length in bytes.
        bytes: u64,
    },
    /// A pack is damaged: build the snapshot again.
    #[error("{}: {damage}; build the snapshot again", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// The damage.
        damage: Damage,
    },
    /// The folder holds other files.
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
    /// The snapshot in `folder`, which need not exist yet.
    pub fn at(folder: &Path) -> Self {
        Self { folder: folder.to_owned() }
    }

    /// Path of the file of `key`.
    pub fn file(&self, key: Key) -> PathBuf {
        self.folder.join(key.to_string())
    }

    fn pack_folder(&self) -> PathBuf {
        self.folder.join(PACK_PREFIX.trim_end_matches('/'))
    }

    /// Writes `packs` and then the manifest, so that a folder with a manifest is complete. An
    /// earlier build in the folder is removed.
    ///
    /// # Errors
    /// If the folder holds other files, or can't be written.
    pub fn write(&self, packs: &BTreeMap<PackId, Vec<u8>>, manifest: &[u8]) -> Result<(), Error> {
        self.clear()?;
        let pack_folder = self.pack_folder();
        fs::create_dir_all(&pack_folder).map_err(at(&pack_folder))?;
        for (id, bytes) in packs {
            // A key's spelling does not include the kind.
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

    /// The packs in the folder, whether or not the manifest names them.
    ///
    /// # Errors
    /// If the folder can't be read.
    pub fn packs(&self) -> Result<Vec<PackId>, Error> {
        let folder = self.pack_folder();
        let entries = fs::read_dir(&folder).and_then(Iterator::collect::<Result<Vec<_>, _>>).map_err(at(&folder))?;
        Ok(entries.iter().filter_map(|entry| PackId::parse(entry.file_name().to_str()?)).collect())
    }

    /// The bytes under `key`.
    ///
    /// # Errors
    /// If the file can't be read.
    pub fn read(&self, key: Key) -> Result<Vec<u8>, Error> {
        let path = self.file(key);
        // Checked before opening: opening a pipe would block.
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
    /// If the file can't be read.
    pub fn bytes_of(&self, key: Key) -> Result<u64, Error> {
        let path = self.file(key);
        fs::metadata(&path).map(|metadata| metadata.len()).map_err(at(&path))
    }

    /// The manifest.
    ///
    /// # Errors
    /// If the file can't be read or is damaged.
    pub fn manifest(&self) -> Result<Manifest, Error> {
        let bytes = self.read(Key::Live)?;
        Manifest::parse(bytes).map_err(|damage| Error::Damaged { path: self.file(Key::Live), damage })
    }

    /// Reads the pack under `key` with `parse`, the edge's own reader.
    ///
    /// # Errors
    /// If the file can't be read or is damaged.
    pub fn parse<T>(&self, key: Key, parse: impl FnOnce(Vec<u8>) -> Result<T, Damage>) -> Result<T, Error> {
        parse(self.read(key)?).map_err(|damage| Error::Damaged { path: self.file(key), damage })
    }
}
