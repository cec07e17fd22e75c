//! The bundle: a snapshot's manifest and board in one file, deployed with the Worker as a fallback
//! if no store answers.

use super::board::Board;
use super::manifest::Manifest;
use super::{Damage, to_usize, u32_at};

/// The offset of the pack's length in its header.
const LENGTH_AT: usize = 8;

/// Parses a bundle: a manifest, directly followed by the board that it names.
///
/// # Errors
/// [`Damage`] if either pack is damaged, or the board is not the named one.
pub fn parse(bytes: &[u8]) -> Result<(Manifest, Board), Damage> {
    let (manifest, board) = bytes.split_at_checked(to_usize(u32_at(bytes, LENGTH_AT))).ok_or(Damage::Truncated)?;
    let manifest = Manifest::parse(manifest.to_vec())?;
    let board = Board::parse(board.to_vec(), manifest.board())?;
    Ok((manifest, board))
}

/// Joins a manifest and its board, both as published.
pub fn write(manifest: &[u8], board: &[u8]) -> Vec<u8> {
    [manifest, board].concat()
}
