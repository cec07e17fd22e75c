//! Publishes a snapshot folder to the namespace given in the environment, for the test that kills
//! it half way.

use std::path::Path;

use sinsang_core::time::UnixMillis;
use sinsang_publish::snapshot::Snapshot;
use sinsang_publish::{Address, Limits, Options, RemoteKv, publish};
use sinsang_run::clock::Clock;
use sinsang_run::progress::Progress;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let (folder, at) = (arguments.next().unwrap_or_default(), arguments.next().unwrap_or_default());
    let address = Address::from_variables(|name| std::env::var(name).ok())?;
    let holder = format!("process {}", std::process::id());
    let options = Options {
        at: UnixMillis(at.parse()?),
        holder: &holder,
        read_back: Some(10),
        limits: Limits::default(),
        is_forced: false,
        share: None,
        progress: Progress::hidden(),
    };
    let clock = Clock::of_machine(|| {
        let since = std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default();
        UnixMillis(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
    });
    println!("{}", publish(&Snapshot::at(Path::new(&folder)), &mut RemoteKv::new(address, 1, clock), &options)?);
    Ok(())
}
