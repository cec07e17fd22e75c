//! Benchmarks of the core alone, without a request: ranking and assembly on a snapshot in memory.

use sinsang_core::key::Key;
use sinsang_core::pack::board::Board;
use sinsang_core::pack::manifest::Manifest;
use sinsang_core::pack::taste::{Taste, TasteShard};
use sinsang_core::pack::{Damage, Kind};
use sinsang_core::surface::new::Selection;
use sinsang_core::surface::{View, live, new, tabs};
use sinsang_core::time::UnixMillis;
use sinsang_core::viewer::UserHasher;
#[cfg(target_arch = "wasm32")]
use wasm_bindgen::prelude::wasm_bindgen;

use crate::snapshot::{self, Shape};

/// Build time of these snapshots.
pub const BUILT_AT: &str = "2026-11-20T12:00:00+09:00";

/// A board and the tastes of its viewers, in memory.
#[cfg_attr(target_arch = "wasm32", wasm_bindgen)]
#[derive(Debug)]
pub struct Alone {
    board: Board,
    shard: TasteShard,
    /// Viewers who ask in turn, so that a processor's predictions for one don't help the next.
    viewers: Vec<u64>,
    now: UnixMillis,
}

impl Alone {
    /// The snapshot of `shape` with the users of its first user's shard.
    ///
    /// # Errors
    /// [`Damage`] if the snapshot can't be made or read.
    pub fn of(shape: &Shape) -> Result<Self, Damage> {
        let built_at = UnixMillis::parse_rfc3339(BUILT_AT).unwrap_or_default();
        let hasher = UserHasher::new(b"a user key of the bench").ok_or(Damage::Truncated)?;
        let made = snapshot::make(shape, built_at, &hasher).map_err(|_| Damage::Truncated)?;
        let value = |key: Key| made.values.get(&key.to_string()).cloned().unwrap_or_default();
        let manifest = Manifest::parse(value(Key::Live))?;
        let viewer = made.users.first().map_or(0, |user| hasher.key(user).0);
        let shard = manifest.shard_of(viewer).unwrap_or_default();
        Ok(Self {
            board: Board::parse(value(Key::Pack(Kind::Board, made.board)), made.board)?,
            shard: TasteShard::parse(value(Key::Pack(Kind::Tastes, shard)), shard)?,
            viewers: made.users.iter().map(|user| hasher.key(user).0).collect(),
            now: snapshot::present(built_at),
        })
    }

    /// Number of viewers who take turns.
    pub fn viewers(&self) -> usize {
        self.viewers.len()
    }

    fn view(&self, turn: usize) -> View<'_> {
        let viewer = self.viewers.get(turn % self.viewers.len().max(1)).copied().unwrap_or_default();
        let record = self.shard.find(viewer);
        View {
            taste: record.map(|record| Taste::cut(record, self.shard.widths())),
            viewer: record.map_or(0, |_| viewer),
            ..View::shared(&self.board, self.now)
        }
    }

    /// Ranks all candidates for the viewer whose turn it is and appends the first `limit` as JSON.
    pub fn write_new(&self, turn: usize, limit: usize, out: &mut Vec<u8>) {
        let view = self.view(turn);
        let selection = Selection::recommended(self.now, limit);
        let page = new::page(&view, &selection);
        new::write_items(&view, &page, self.now, out);
    }

    /// Appends the three surfaces in turn, with `limit` new products.
    pub fn write_home(&self, turn: usize, limit: usize, out: &mut Vec<u8>) {
        let view = self.view(turn);
        tabs::write_items(&view, out);
        live::write_items(&view, out);
        self.write_new(turn, limit, out);
    }
}

#[cfg_attr(target_arch = "wasm32", wasm_bindgen)]
impl Alone {
    /// Number of products on the board.
    pub fn products(&self) -> usize {
        self.board.product_count()
    }
}

#[cfg(target_arch = "wasm32")]
#[wasm_bindgen]
impl Alone {
    /// For JavaScript: a snapshot of `candidates` with slots of `slot_minutes`; `None` if it can't
    /// be made.
    pub fn make(candidates: usize, slot_minutes: i32) -> Option<Alone> {
        let shape = Shape {
            seed: 6,
            candidates,
            slot_minutes: slot_minutes.into(),
            users: 300,
            shard_bits: 0,
            is_mixed: false,
        };
        Self::of(&shape).ok()
    }

    /// For JavaScript: repeats one kind of work `times` times and returns the size in bytes of the
    /// last result.
    pub fn run(&self, is_home: bool, limit: usize, times: u32) -> usize {
        let mut out = Vec::new();
        for turn in 0..times as usize {
            out = Vec::with_capacity(64 * 1024);
            if is_home {
                self.write_home(turn, limit, &mut out);
            } else {
                self.write_new(turn, limit, &mut out);
            }
            std::hint::black_box(&out);
        }
        out.len()
    }
}
