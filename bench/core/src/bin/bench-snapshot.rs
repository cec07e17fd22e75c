//! `bench-snapshot FOLDER BUILT_AT CANDIDATES ASKING`: writes a snapshot's values below FOLDER/kv,
//! and the peers' inputs.
//!
//! The user key is read from `SINSANG_USER_KEY`. `tastes.json` holds the tastes of the first ASKING
//! users.

use std::path::Path;
use std::process::ExitCode;
use std::{env, fs};

use sinsang_bench::snapshot::{Shape, make};
use sinsang_bench::{peer, snapshot};
use sinsang_core::time::UnixMillis;
use sinsang_core::viewer::UserHasher;

/// Logarithm to base 2 of the number of taste shards: 256, of 32 KB each.
const SHARD_BITS: u32 = 8;
const USERS_PER_SHARD: usize = 300;
const SLOT_MINUTES: i64 = 60;

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bench-snapshot: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<(), String> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let [folder, built_at, candidates, asking] = arguments.as_slice() else {
        return Err("expected FOLDER BUILT_AT CANDIDATES ASKING".to_owned());
    };
    let built_at = UnixMillis::parse_rfc3339(built_at).ok_or("BUILT_AT is no RFC 3339")?;
    let candidates = candidates.parse().map_err(|_| "CANDIDATES is no number")?;
    let asking = asking.parse().map_err(|_| "ASKING is no number")?;
    let secret = env::var("SINSANG_USER_KEY").map_err(|_| "SINSANG_USER_KEY is not set")?;
    let hasher = UserHasher::new(secret.as_bytes()).ok_or("SINSANG_USER_KEY is empty")?;
    let shape = Shape {
        seed: 6,
        candidates,
        slot_minutes: SLOT_MINUTES,
        users: USERS_PER_SHARD << SHARD_BITS,
        shard_bits: SHARD_BITS,
        is_mixed: false,
    };
    let made = make(&shape, built_at, &hasher).map_err(|error| error.to_string())?;
    let folder = Path::new(folder);
    let put = |name: &str, bytes: &[u8]| {
        let path = folder.join(name);
        path.parent()
            .map_or(Ok(()), fs::create_dir_all)
            .and_then(|()| fs::write(&path, bytes))
            .map_err(|error| format!("{}: {error}", path.display()))
    };
    for (key, value) in &made.values {
        put(&format!("kv/{key}"), value)?;
    }
    put("board.json", peer::board(&made).map_err(|error| format!("{error:?}"))?.as_bytes())?;
    let tastes = peer::tastes(&made, &hasher, asking).map_err(|error| format!("{error:?}"))?;
    put("tastes.json", tastes.to_string().as_bytes())?;
    let users: Vec<&String> = made.users.iter().take(asking).collect();
    put("users.json", serde_json::json!(users).to_string().as_bytes())?;
    put("now", snapshot::present(built_at).to_kst_rfc3339().as_bytes())
}
