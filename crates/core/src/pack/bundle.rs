//! The bundle: the manifest and the board of one snapshot in one file, which is deployed with the Worker for when no store answers.

use super::board::Board;
use super::manifest::Manifest;
use super::{Damage, to_usize, u32_at};

/// Where a pack's header has the length of the whole pack.
const LENGTH_AT: usize = 8;

/// Reads a bundle: a manifest, and after its last byte the board that it names.
///
/// # Errors
/// A [`Damage`] that says what is wrong with the bytes.
pub fn parse(bytes: &[u8]) -> Result<(Manifest, Board), Damage> {
    let (manifest, board) = bytes.split_at_checked(to_usize(u32_at(bytes, LENGTH_AT))).ok_or(Damage::Truncated)?;
    let manifest = Manifest::parse(manifest.to_vec())?;
    let board = Board::parse(board.to_vec(), manifest.board())?;
    Ok((manifest, board))
}

/// Writes the bundle of a manifest and its board, both as published.
pub fn write(manifest: &[u8], board: &[u8]) -> Vec<u8> {
    [manifest, board].concat()
}
