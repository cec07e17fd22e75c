//! `sinsang verify`: re-reads a snapshot with the edge's own reader and renders its surfaces,
//! before it is published.

use std::collections::BTreeSet;
use std::fmt;

use serde::Serialize;
use serde_json::Value;
use sinsang_core::key::Key;
use sinsang_core::pack::board::Board;
use sinsang_core::pack::manifest::{Manifest, shard_index};
use sinsang_core::pack::taste::{Taste, TasteShard};
use sinsang_core::pack::{Kind, PackId};
use sinsang_core::surface::new::{self, Selection};
use sinsang_core::surface::{View, write_items};
use sinsang_core::surface_name::Surface;
use sinsang_core::time::{CLOCK_LEEWAY_MS, UnixMillis};
use sinsang_core::verdict::VerdictKind;
use sinsang_publish::snapshot::{self, Snapshot};

/// The most users whose surfaces are rendered.
const SAMPLED_USERS: usize = 50;

/// The counts and problems of a verification.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Report {
    /// The snapshot's id.
    pub snapshot: String,
    /// Packs read.
    pub packs: usize,
    /// Products on the board.
    pub products: usize,
    /// Slots on the board.
    pub slots: usize,
    /// Users in the shards.
    pub users: usize,
    /// Surfaces rendered and parsed.
    pub surfaces: usize,
    /// The problems; a snapshot may be published if there are none.
    pub problems: Vec<String>,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { snapshot, packs, products, slots, users, surfaces, problems } = self;
        writeln!(
            f,
            "snapshot {snapshot}: {packs} packs, {products} products, {slots} slots, {users} users, {surfaces} surfaces made"
        )?;
        problems.iter().try_for_each(|problem| writeln!(f, "  wrong: {problem}"))?;
        if problems.is_empty() {
            f.write_str("no problems found")
        } else {
            write!(f, "{} problems: do not publish it", problems.len())
        }
    }
}

/// Checks `snapshot` as of `now`. A pack that can't be read ends the check; all other problems are
/// listed.
///
/// # Errors
/// If a file can't be read or is not an intact pack.
pub fn verify(snapshot: &Snapshot, now: UnixMillis) -> Result<Report, snapshot::Error> {
    let manifest = snapshot.manifest()?;
    let mut check = Check { report: Report { snapshot: manifest.snapshot().to_string(), ..Report::default() } };
    let board_id = manifest.board();
    let board = snapshot.parse(Key::Pack(Kind::Board, board_id), |bytes| Board::parse(bytes, board_id))?;
    check.board(&board, &manifest);
    let built_at = manifest.built_at();
    check.ensure(built_at.since(now) <= CLOCK_LEEWAY_MS, || {
        format!("the snapshot was built at {built_at}, ahead of the clock, which says {now}")
    });
    let (stated, format) = (board.pack().version(), manifest.format().version());
    check.ensure(stated == format, || format!("the board has format {stated}, the manifest says {format}"));
    let parts = manifest.parts();
    let bits = parts.shards.len().trailing_zeros();
    let mut records = Vec::new();
    for (place, id) in parts.shards.iter().enumerate().filter(|(_, id)| !id.is_none()) {
        let shard = snapshot.parse(Key::Pack(Kind::Tastes, *id), |bytes| TasteShard::parse(bytes, *id))?;
        check.shard(&shard, place, bits, &board);
        if records.len() < SAMPLED_USERS && !shard.is_empty() {
            records.extend(shard.find(shard.key(0)).map(|record| (record.to_vec(), *shard.widths())));
        }
    }
    let users = usize::try_from(manifest.users()).unwrap_or(usize::MAX);
    check.ensure(check.report.users == users, || {
        format!("the manifest counts {users} users, the shards hold a different count")
    });
    check.orphans(snapshot, &manifest);
    check.surfaces(&board, None);
    for (record, widths) in &records {
        check.surfaces(&board, Some(Taste::cut(record, widths)));
    }
    Ok(check.report)
}

struct Check {
    report: Report,
}

impl Check {
    fn ensure(&mut self, holds: bool, problem: impl FnOnce() -> String) {
        if !holds {
            self.report.problems.push(problem());
        }
    }

    fn board(&mut self, board: &Board, manifest: &Manifest) {
        self.report.packs += 1;
        self.report.products = board.product_count();
        self.report.slots = board.slot_count();
        self.ensure(board.slot_count() > 0, || "the board has no broadcasts: everybody would see nothing".to_owned());
        self.ensure(board.built_at() == manifest.built_at(), || {
            "board and manifest were built at different times".to_owned()
        });
        let candidates: BTreeSet<usize> = board.candidates().collect();
        for index in 0..board.product_count() {
            let product = board.product(index);
            let name = format!("product {:016x}", product.id());
            let is_candidate = product.verdict() != VerdictKind::Repeat;
            self.ensure(is_candidate == candidates.contains(&index), || {
                format!("{name}: the verdict contradicts the list of candidates")
            });
            self.ensure(product.slots().next().is_some(), || format!("{name} has no slot"));
            self.ensure(product.slots().all(|slot| board.slot(slot).product() == index), || {
                format!("{name} has another product's slot")
            });
            let never_before = product.slots().all(|slot| board.slot(slot).starts_at() >= product.first_starts_at());
            self.ensure(never_before, || format!("{name} has a slot before its first broadcast"));
            self.json(product.head_json(), "}", || format!("{name}: head"));
            self.json(product.verdict_json(true), "", || format!("{name}: first verdict"));
            self.json(product.verdict_json(false), "", || format!("{name}: later verdict"));
        }
        for index in 0..board.slot_count() {
            self.json(board.slot(index).head_json(), "}", || format!("slot {index}: head"));
        }
        for index in 0..board.tab_count() {
            self.json(board.tab(index).head_json(), "}", || format!("tab {index}: head"));
        }
        let ids: BTreeSet<&str> = (0..board.channel_count()).map(|index| board.channel_id(index)).collect();
        self.ensure(ids.len() == board.channel_count(), || "two channels have the same id".to_owned());
    }

    fn json(&mut self, text: &[u8], rest: &str, place: impl FnOnce() -> String) {
        let whole = [text, rest.as_bytes()].concat();
        if let Err(error) = serde_json::from_slice::<serde_json::Map<String, Value>>(&whole) {
            self.report.problems.push(format!("{} is not a JSON object: {error}", place()));
        }
    }

    fn shard(&mut self, shard: &TasteShard, place: usize, bits: u32, board: &Board) {
        self.report.packs += 1;
        self.report.users += shard.len();
        self.ensure(shard.widths().vocabulary == board.vocabulary(), || {
            format!("shard {place} and the board have different vocabularies")
        });
        let vector = usize::from(shard.widths().vector);
        self.ensure(vector == board.dimensions(), || {
            format!("shard {place} has vectors of {vector} dimensions, unlike the board")
        });
        let strays = (0..shard.len()).filter(|index| shard_index(shard.key(*index), bits) != place).count();
        self.ensure(strays == 0, || format!("shard {place} holds {strays} users of other shards"));
    }

    fn orphans(&mut self, snapshot: &Snapshot, manifest: &Manifest) {
        let named: BTreeSet<PackId> = sinsang_publish::packs(manifest)
            .filter_map(|key| match key {
                Key::Pack(_, id) => Some(id),
                Key::Live | Key::Pulse | Key::PulseOf(_) | Key::Overlay => None,
            })
            .collect();
        for id in snapshot.packs().unwrap_or_default() {
            self.ensure(named.contains(&id), || format!("the manifest does not name pack {id}"));
        }
    }

    /// Renders all surfaces at eight times through the window, and parses them.
    fn surfaces(&mut self, board: &Board, taste: Option<Taste<'_>>) {
        let (from, to) = board.window();
        for at in (0..8).map(|step| from.plus(to.since(from) / 8 * step)) {
            let view = View { taste, ..View::shared(board, at) };
            let selection = Selection::recommended(at, usize::MAX);
            let page = new::page(&view, &selection);
            let mut shown = page.products.iter().map(|index| board.product(*index));
            let expired = shown.any(|product| product.first_ends_at() <= at || !product.is_listed());
            self.ensure(!expired, || format!("at {at} the new-product tab shows products that are not new"));
            for surface in Surface::ALL {
                self.array(at, surface, |out| write_items(surface, &view, out));
            }
        }
    }

    fn array(&mut self, at: UnixMillis, surface: Surface, write: impl FnOnce(&mut Vec<u8>)) {
        let mut out = Vec::new();
        write(&mut out);
        self.report.surfaces += 1;
        if let Err(error) = serde_json::from_slice::<Vec<Value>>(&out) {
            self.report.problems.push(format!("surface {} at {at} is not valid JSON: {error}", surface.as_str()));
        }
    }
}
