//! Publishes a snapshot folder to the namespace that the environment names, for the test that kills it half way.

use std::path::Path;

use sinsang::time::UnixMillis;
use sinsang_publish::progress::Progress;
use sinsang_publish::snapshot::Snapshot;
use sinsang_publish::{Address, Options, RemoteKv, publish};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let (folder, at) = (arguments.next().unwrap_or_default(), arguments.next().unwrap_or_default());
    let address = Address::from_variables(|name| std::env::var(name).ok())?;
    let options = Options { at: UnixMillis(at.parse()?), read_back: Some(10), progress: Progress::hidden() };
    println!("{}", publish(&Snapshot::at(Path::new(&folder)), &mut RemoteKv::new(address, 1), &options)?);
    Ok(())
}
