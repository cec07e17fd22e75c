//! `sinsang compare`: finds both snapshots, compares them, and looks users' latest actions up in
//! them.

use std::cell::RefCell;
use std::fs;
use std::process::ExitCode;

use sinsang_core::pack::PackId;
use sinsang_core::pack::taste::TasteShard;
use sinsang_pipeline::read::past_events;
use sinsang_pipeline::report::hindsight::{self, Judged, Sides};
use sinsang_publish::{Address, Hindsight, LocalKv, Located, RemoteKv, Store};
use sinsang_run::clock::Clock;

use super::{NOT_WHOLE, Outcome, Surroundings, print, runtime};
use crate::arguments::{Arguments, Compare};

/// Connections to Cloudflare: values are read one after another.
const CONNECTIONS: usize = 1;
/// The most taste shards that hindsight reads of each snapshot. Users are looked up in the order
/// of their keys, which are hashes, so those of the first shards are a fair sample.
const MOST_SHARDS: usize = 256;

pub(super) fn of_compare(asked: &Compare, arguments: &Arguments, surroundings: Surroundings) -> Outcome {
    let clock = Clock::of_machine(surroundings.clock);
    if let Some(folder) = &asked.local {
        return compared(asked, arguments, surroundings, Some(&mut LocalKv::open(&asked.project, folder, clock)?));
    }
    if asked.remote {
        let mut store = RemoteKv::new(Address::from_variables(surroundings.variable)?, CONNECTIONS, clock);
        return compared(asked, arguments, surroundings, Some(&mut store));
    }
    compared(asked, arguments, surroundings, None::<&mut LocalKv>)
}

fn compared<S: Store>(
    asked: &Compare,
    arguments: &Arguments,
    surroundings: Surroundings,
    mut store: Option<&mut S>,
) -> Outcome {
    let at = asked.at.unwrap_or_else(surroundings.clock);
    let limits = asked.limits()?;
    let [next, before] = asked.places();
    let next = Located::find(&next, store.as_deref_mut())?;
    let before = Located::find(&before, store.as_deref_mut())?;
    let mut report = sinsang_publish::compare([&next, &before], store.as_deref_mut(), &limits, at)?;
    if let Some(tables) = &asked.tables {
        let tables = past_events::Asked {
            tables: tables.clone(),
            user_key: (surroundings.user_key)(),
            until: at,
            progress: arguments.progress(),
        };
        report.hindsight = Some(look_back([&next, &before], store, &tables)?);
    }
    if let Some(path) = &asked.page {
        fs::write(path, report.page()).map_err(|error| format!("{}: {error}", path.display()))?;
    }
    print(arguments.format, &report)?;
    Ok(if report.refusal.is_empty() { ExitCode::SUCCESS } else { ExitCode::from(NOT_WHOLE) })
}

fn look_back<S: Store>(
    [next, before]: [&Located; 2],
    mut store: Option<&mut S>,
    tables: &past_events::Asked,
) -> Result<Hindsight, Box<dyn std::error::Error>> {
    let [next_board, before_board] = [next.board(store.as_deref_mut())?, before.board(store.as_deref_mut())?];
    // Both snapshots may be in the one store.
    let store = RefCell::new(store);
    let (mut of_next, mut of_before) = (reader(next, &store), reader(before, &store));
    let sides = Sides {
        next: Judged::new(&next.manifest, &next_board, &mut of_next),
        before: Judged::new(&before.manifest, &before_board, &mut of_before),
    };
    Ok(runtime()?.block_on(hindsight::of_two(sides, tables))?)
}

/// Loads taste shards, at most [`MOST_SHARDS`].
fn reader<'a, S: Store>(
    located: &'a Located,
    store: &'a RefCell<Option<&'a mut S>>,
) -> impl FnMut(PackId) -> Option<TasteShard> {
    let mut left = MOST_SHARDS;
    move |id| {
        left = left.checked_sub(1)?;
        located.shard(id, store.borrow_mut().as_deref_mut())
    }
}
