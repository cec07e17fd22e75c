//! The whole circle: a viewer's events, ingested as the Worker's consumer stores them, change the
//! viewer's order after the next build.

use std::collections::BTreeSet;
use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::process::Command;

use flate2::Compression;
use flate2::write::GzEncoder;
use sinsang_core::key::Key;
use sinsang_core::pack::Kind;
use sinsang_core::pack::board::Board;
use sinsang_core::pack::taste::{Taste, TasteShard};
use sinsang_core::surface::View;
use sinsang_core::surface::new::{self, Selection, Sort};
use sinsang_core::viewer::UserHasher;
use sinsang_publish::snapshot::Snapshot;

use crate::world::{USER_KEY, build, now, tables};

struct Built {
    board: Board,
    shards: Vec<TasteShard>,
}

impl Built {
    fn of(input: &Path, output: &Path) -> Self {
        build(input, output);
        let kept = Snapshot::at(output);
        let manifest = kept.manifest().unwrap();
        let id = manifest.board();
        let board = kept.parse(Key::Pack(Kind::Board, id), |bytes| Board::parse(bytes, id)).unwrap();
        let shards = manifest.parts().shards.into_iter().filter(|id| !id.is_none());
        let parse = |id| kept.parse(Key::Pack(Kind::Tastes, id), |bytes| TasteShard::parse(bytes, id)).unwrap();
        Self { board, shards: shards.map(parse).collect() }
    }

    fn taste(&self, key: u64) -> Option<Taste<'_>> {
        self.shards.iter().find_map(|shard| Some(Taste::cut(shard.find(key)?, shard.widths())))
    }

    /// The new-product tab's products in the viewer's order.
    fn order(&self, key: u64) -> Vec<usize> {
        let view = View { taste: self.taste(key), viewer: key, ..View::shared(&self.board, now()) };
        let sort = Sort::Recommended;
        let asked = Selection { category: None, channel: None, sort, frozen_at: now(), offset: 0, limit: usize::MAX };
        new::page(&view, &asked).products
    }
}

#[test]
fn what_viewers_do_changes_their_order_after_the_next_build() {
    let work = tempfile::tempdir().unwrap();
    let [input, objects, first, second] = ["tables", "objects", "first", "second"].map(|name| work.path().join(name));
    tables(&input, 60, 80);
    let events = input.join("events");
    fs::create_dir(&events).unwrap();
    fs::rename(input.join("events.ndjson"), events.join("history.ndjson")).unwrap();
    let hasher = UserHasher::new(USER_KEY.as_bytes()).unwrap();
    let viewer = hasher.key("u-newcomer");
    // One source names the newcomer by id, the other by key.
    let line = r#"{"user_id":"u-newcomer","at":"2026-11-20T20:00:00+09:00","kind":"tab_open","tab_id":"new"}"#;
    fs::write(events.join("app.ndjson"), format!("{line}\n")).unwrap();
    let before = Built::of(&input, &first);
    let common = before.order(viewer.0);

    // The shared list's second most frequent category: it neither fills the list nor is rare.
    let category = |built: &Built, product: usize| built.board.product(product).category();
    let categories: BTreeSet<usize> = common.iter().filter_map(|product| category(&before, *product)).collect();
    let size = |wanted: usize| common.iter().filter(|product| category(&before, **product) == Some(wanted)).count();
    let mut sizes: Vec<(usize, usize)> = categories.into_iter().map(|wanted| (size(wanted), wanted)).collect();
    sizes.sort_unstable();
    let (count, liked) = sizes[sizes.len() - 2];
    assert!(count >= 8 && count * 2 < common.len(), "{sizes:?}");
    let name = before.board.category(liked).to_owned();
    let all: Vec<u64> = common
        .iter()
        .filter(|product| category(&before, **product) == Some(liked))
        .map(|product| before.board.product(*product).id())
        .collect();
    let clicked: BTreeSet<u64> = all.iter().copied().step_by(2).collect();

    let hour = objects.join("date=2026-11-21/hour=11");
    fs::create_dir_all(&hour).unwrap();
    let mut packed = GzEncoder::new(fs::File::create(hour.join("1.ndjson.gz")).unwrap(), Compression::fast());
    for (number, product) in clicked.iter().enumerate() {
        for who in [viewer.to_string(), format!("d{}", hasher.key("device:of somebody"))] {
            let id = format!("{}-{number:06}", &who[..8]);
            writeln!(
                packed,
                r#"{{"event_id":"{id}","viewer":"{who}","kind":"click","at":"2026-11-21T11:{number:02}:00.000Z","product_id":"{product:016x}"}}"#
            )
            .unwrap();
        }
    }
    packed.finish().unwrap();
    let ingest = || {
        let command = Command::new(env!("CARGO_BIN_EXE_sinsang"))
            .args([
                "--format",
                "json",
                "ingest",
                "objects",
                objects.to_str().unwrap(),
                "--into",
                events.to_str().unwrap(),
            ])
            .output()
            .unwrap();
        assert!(command.status.success(), "{}", String::from_utf8_lossy(&command.stderr));
        serde_json::from_slice::<serde_json::Value>(&command.stdout).unwrap()
    };
    let report = ingest();
    assert_eq!((&report["events"], &report["known"]), (&(2 * clicked.len()).into(), &0.into()), "{report}");
    assert_eq!(ingest()["read_before"], 1);

    let after = Built::of(&input, &second);
    assert!(after.taste(hasher.key("device:of somebody").0).is_none(), "a device has no place in the packs");
    let rest = |built: &Built| {
        let head = built.order(viewer.0).into_iter().take(20);
        let of_category =
            head.filter(|product| category(built, *product).map(|at| built.board.category(at)) == Some(&name));
        let ids: Vec<u64> = of_category.map(|product| built.board.product(product).id()).collect();
        ids.into_iter().filter(|id| !clicked.contains(id)).count()
    };
    let (earlier, later) = (rest(&before), rest(&after));
    println!(
        "{name}: {} clicked of {}; of the others {earlier} in the first 20 before, {later} after",
        clicked.len(),
        all.len()
    );
    assert!(
        later >= earlier + 3,
        "{earlier} of {name} that were not clicked stood in the first 20 before, {later} after"
    );
}
