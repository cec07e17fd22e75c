//! The architecture's invariants, checked in the source itself: which code may name what, and the
//! form of files.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

/// A longer file is probably two: its first paragraph says why it is not ("One file because …").
const MAX_LINES: usize = 500;

/// Sources that run in Workers.
const WORKERS: [&str; 4] = ["src", "crates/core/src", "crates/event-worker/src", "crates/kernel/src"];
/// Native sources that know neither the engine nor the platform.
const NATIVE: [&str; 10] = [
    "crates/identity/src",
    "crates/tables/src",
    "crates/parquet/src",
    "crates/taste/src",
    "crates/publish/src",
    "crates/replay/src",
    "crates/run/src",
    "crates/demo/src",
    "crates/experiment/src",
    "crates/event-import/src",
];
/// Sources that query the engine.
const ENGINE: [&str; 3] = ["crates/pipeline/src", "crates/command/src", "crates/cluster/src"];

/// The source folders of all shipped code.
fn shipped() -> impl Iterator<Item = &'static str> {
    WORKERS.into_iter().chain(NATIVE).chain(ENGINE)
}

/// The sources of the Worker that answers: its own, and the core.
fn worker() -> Vec<Source> {
    ["src", "crates/core/src", "crates/kernel/src"].into_iter().flat_map(sources).collect()
}

/// A source file: its path from the repository's root, and its contents.
struct Source {
    path: String,
    text: String,
}

impl Source {
    /// Lines of shipped code: without comments and without the tests module.
    fn code(&self) -> impl Iterator<Item = (usize, &str)> {
        let mut is_test = false;
        (1..).zip(self.text.lines()).filter(move |(_, line)| {
            let was_test = is_test;
            is_test = (is_test || *line == "mod tests {") && *line != "}";
            !was_test && !is_test && !line.trim_start().starts_with("//")
        })
    }

    fn is_edge(&self) -> bool {
        let path = self.path.trim_start_matches("crates/event-worker/");
        path == "src/edge.rs" || path.starts_with("src/edge/")
    }

    /// The places at which the code names one of `words`.
    fn places(&self, words: &[&str]) -> Vec<String> {
        self.code()
            .flat_map(|(number, line)| {
                let found = words.iter().filter(move |word| names(line, word));
                found.map(move |word| format!("{}:{number} names {word}", self.path))
            })
            .collect()
    }
}

/// Whether `line` contains `word` at the start of a word.
fn names(line: &str, word: &str) -> bool {
    line.match_indices(word).any(|(at, _)| {
        !line.get(..at).and_then(|before| before.chars().next_back()).is_some_and(|c| c.is_alphanumeric() || c == '_')
    })
}

/// Whether `place` is the preview's door naming wasm-bindgen.
fn is_door(place: &str) -> bool {
    place.starts_with("src/preview/door.rs:") && place.ends_with("wasm_bindgen")
}

/// What stands after the last dot of a path; all of it where there is none.
fn extension(path: &str) -> &str {
    path.rsplit_once('.').map_or(path, |(_, extension)| extension)
}

/// The Rust sources in `folder`, by path.
fn sources(folder: &str) -> Vec<Source> {
    let is_in = |path: &str| path.starts_with(&format!("{folder}/")) && extension(path) == "rs";
    let found = texts().iter().filter(|(path, _)| is_in(path));
    let sources: Vec<Source> = found.map(|(path, text)| Source { path: path.clone(), text: text.clone() }).collect();
    assert!(!sources.is_empty(), "{folder} has no sources");
    sources
}

/// All text files of the repository that no build makes, with their paths from its root; by path.
fn texts() -> &'static [(String, String)] {
    static TEXTS: LazyLock<Vec<(String, String)>> = LazyLock::new(|| {
        let root = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
        let mut folders = vec![root.clone()];
        let mut texts = Vec::new();
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
                if path.is_dir() && !path.is_symlink() {
                    folders.extend(Some(path).filter(|_| !BUILT.contains(&name.as_str())));
                } else if let Ok(text) = fs::read_to_string(&path) {
                    let path = path.strip_prefix(&root).unwrap().to_string_lossy().replace('\\', "/");
                    texts.push((path, text));
                }
            }
        }
        texts.sort();
        texts
    });
    &TEXTS
}

#[track_caller]
fn assert_none(places: &[String], rule: &str) {
    assert!(places.is_empty(), "{rule}:\n{}", places.join("\n"));
}

#[test]
fn only_the_edge_knows_the_platform() {
    let words = ["worker::", "js_sys", "wasm_bindgen", "web_sys", "use worker"];
    let places: Vec<String> =
        worker().iter().filter(|source| !source.is_edge()).flat_map(|source| source.places(&words)).collect();
    // The other exit from Wasm, to the preview page, knows wasm-bindgen only.
    let places: Vec<String> = places.into_iter().filter(|place| !is_door(place)).collect();
    assert_none(&places, "only src/edge.rs and src/edge/ may name the platform");
    let intake = sources("crates/event-worker/src").into_iter().filter(|source| !source.is_edge());
    let places: Vec<String> = intake.flat_map(|source| source.places(&words)).collect();
    assert_none(
        &places,
        "of the Worker that takes events, only crates/event-worker/src/edge.rs and crates/event-worker/src/edge/ may name the platform",
    );
    let native = NATIVE.into_iter().chain(ENGINE).flat_map(sources);
    let native: Vec<String> = native.flat_map(|source| source.places(&words)).collect();
    assert_none(&native, "identity and the pipeline do not know the platform");
}

#[test]
fn only_the_pipeline_knows_its_engine() {
    let engine = ["datafusion", "sinsang_pipeline"];
    let held = WORKERS.into_iter().chain(NATIVE).flat_map(sources);
    let places: Vec<String> = held.flat_map(|source| source.places(&engine)).collect();
    assert_none(&places, "only the pipeline and the cluster know the engine");
    // Ingesting waits for stores and brokers, and writes the table of events.
    let words = ["parquet::", "arrow_", "arrow::", "tokio"];
    let may = ["crates/demo/src", "crates/event-import/src", "crates/parquet/src"];
    let held = WORKERS.into_iter().chain(NATIVE).filter(|folder| !may.contains(folder)).flat_map(sources);
    let places: Vec<String> = held.flat_map(|source| source.places(&words)).collect();
    assert_none(&places, "what neither ingests, reads Parquet nor asks the engine knows no Arrow and no tokio");
    let held = shipped().filter(|folder| *folder != "crates/cluster/src").flat_map(sources);
    let places: Vec<String> = held.flat_map(|source| source.places(&["ballista", "sinsang_cluster"])).collect();
    assert_none(&places, "only the cluster knows Ballista");
}

#[test]
fn nothing_but_the_edge_and_the_commands_main_reads_a_clock_randomness_or_the_environment() {
    let words = [
        "machine::",
        "SystemTime",
        "Instant::now",
        "Date::now",
        "Utc::now",
        "Local::now",
        "thread_rng",
        "rand::rng",
        "rand::random",
        "OsRng",
        "from_os_rng",
        "from_entropy",
        "getrandom",
        "env::var",
        "env::vars",
        "std::env::args",
    ];
    // A progress bar asks how long somebody has waited; no output depends on it.
    let may_read_it = [
        "crates/run/src/machine.rs",
        "crates/command/src/main.rs",
        "crates/run/src/progress.rs",
        "crates/cluster/src/main.rs",
    ];
    let held = shipped().flat_map(sources).filter(|source| !source.is_edge());
    let held = held.filter(|source| !may_read_it.contains(&source.path.as_str()));
    let places: Vec<String> = held.flat_map(|source| source.places(&words)).collect();
    assert_none(&places, "time, randomness and the environment are handed in");
}

#[test]
fn the_core_is_not_async() {
    let places: Vec<String> = worker()
        .iter()
        .filter(|source| !source.is_edge())
        .flat_map(|source| source.places(&["async ", ".await", "Future"]))
        .collect();
    assert_none(&places, "serve says what to read; it never reads");
}

#[test]
fn only_reply_writes_cache_control() {
    let places: Vec<String> = worker()
        .iter()
        .filter(|source| source.path != "src/reply.rs" && !source.path.starts_with("src/reply/"))
        .flat_map(|source| source.places(&["Cache-Control", "cache-control", "CACHE_CONTROL"]))
        .collect();
    assert_none(&places, "what may be shared is decided in src/reply.rs and src/reply/");
}

#[test]
fn no_package_is_left_out_of_these_rules() {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    let names = fs::read_dir(root.join("crates")).unwrap().map(|entry| entry.unwrap().file_name());
    let folders = names.map(|name| format!("crates/{}/src", name.to_string_lossy()));
    let mut folders: Vec<String> = folders.chain(["src".to_owned()]).collect();
    let mut held: Vec<String> = shipped().map(str::to_owned).collect();
    folders.sort();
    held.sort();
    assert_eq!(folders, held, "WORKERS, NATIVE and ENGINE name every package that ships");
}

#[test]
fn only_key_spells_a_key() {
    let all: Vec<Source> = shipped().flat_map(sources).collect();
    let places: Vec<String> = all
        .iter()
        .filter(|source| source.path != "crates/core/src/key.rs")
        .flat_map(|source| source.places(&["\"manifest\"", "\"pack/"]))
        .collect();
    assert_none(&places, "keys are spelled in crates/core/src/key.rs");
    assert!(all.iter().any(|source| source.path == "crates/core/src/key.rs"));
}

#[test]
fn files_say_what_they_are_and_stay_short() {
    let (mut places, mut seen) = (Vec::new(), 0);
    for (path, text) in texts() {
        let extension = extension(path);
        if !["rs", "js", "mjs", "css"].contains(&extension) {
            continue;
        }
        seen += 1;
        if extension == "rs" && !text.starts_with("//! ") && !path.starts_with("fuzz/fuzz_targets/") {
            places.push(format!("{path} does not open with a sentence that says what it is"));
        }
        let lines = text.lines().count();
        let has_reason = text.lines().take(4).any(|line| line.contains("One file because"));
        if lines > MAX_LINES && !has_reason {
            places.push(format!("{path} has {lines} lines"));
        }
    }
    assert!(seen > 500, "{seen} files");
    assert_none(&places, "every file says what it is, and has at most 500 lines");
}

/// Comments are read beside code: none is wider than 100 columns, unless it can't be broken.
#[test]
fn comments_fit_100_columns() {
    let (mut places, mut seen) = (Vec::new(), 0);
    for (name, text) in texts() {
        let marks: &[&str] = match extension(name) {
            "rs" | "js" | "mjs" => &["//"],
            "toml" | "py" | "sh" | "yml" | "yaml" | "Makefile" => &["# "],
            "sql" => &["-- "],
            _ => continue,
        };
        for (number, line) in (1..).zip(text.lines()) {
            let comment = line.trim_start();
            if marks.iter().any(|mark| comment.starts_with(mark)) {
                seen += 1;
                if line.chars().count() > 100 && comment.matches(' ').count() > 2 {
                    places.push(format!("{name}:{number}"));
                }
            }
        }
    }
    assert!(seen > 5_000, "{seen} lines of comments");
    assert_none(&places, "comments are at most 100 columns wide");
}

/// Documented paths exist: a path in code marks, from the repository's root.
#[test]
fn the_documentation_names_files_that_are_there() {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    let folders = ["docs", "docs/measurements"].map(|folder| fs::read_dir(root.join(folder)).unwrap());
    let docs = folders.into_iter().flatten().map(|entry| entry.unwrap().path());
    let docs =
        docs.chain(["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "fuzz/README.md"].map(|name| root.join(name)));
    let (mut places, mut named) = (Vec::new(), 0);
    for path in docs.filter(|path| path.extension().is_some_and(|extension| extension == "md")) {
        let text = fs::read_to_string(&path).unwrap();
        let marked = text.split('`').skip(1).step_by(2).filter(|name| {
            let is_below = ["crates/", "src/", "tests/", "scripts/", "www/", "bench/", "deploy/", "fuzz/", "docs/"]
                .iter()
                .any(|folder| name.starts_with(folder));
            is_below && !name.contains(['*', '{', ' ', '<', '$'])
        });
        for name in marked {
            named += 1;
            let is_made = ["build", "www/demo", "www/built", ".dev.vars", "fuzz/artifacts"]
                .iter()
                .any(|made| name.contains(made));
            if !is_made && !root.join(name).exists() {
                places.push(format!("{} names {name}", path.file_name().unwrap().to_string_lossy()));
            }
        }
    }
    assert!(named > 100, "{named} paths");
    assert_none(&places, "documents name files that are there");
}

/// A crate's tests are one program, which links the crate and its dependencies once.
#[test]
fn each_crate_has_one_program_of_tests_and_every_file_of_it_is_in() {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    let names = |folder: &Path| -> Vec<String> {
        let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
        let names = entries.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned());
        names.filter_map(|name| name.strip_suffix(".rs").map(str::to_owned)).collect()
    };
    let (mut places, mut files) = (Vec::new(), 0);
    for folder in shipped() {
        let tests = root.join(folder).with_file_name("tests");
        // One file of tests also runs in Wasm, and is a separate program.
        let alone = names(&tests).into_iter().filter(|name| name != "wasm");
        places.extend(alone.map(|name| format!("{} is a program of its own", tests.join(name).display())));
        for part in [tests.join("it"), tests.join("it/serve")] {
            let list = ["main.rs", "mod.rs"].iter().find_map(|name| fs::read_to_string(part.join(name)).ok());
            let list = list.unwrap_or_default();
            let modules = names(&part).into_iter().filter(|name| name != "main" && name != "mod");
            for name in modules {
                files += 1;
                if !list.lines().any(|line| line.ends_with(&format!("mod {name};"))) {
                    places.push(format!("{} is in no program", part.join(name).display()));
                }
            }
        }
    }
    assert!(files > 40, "{files} files");
    assert_none(&places, "tests are modules of tests/it/main.rs");
}

/// Lints that Workers deny.
const LINTS: [&str; 6] = [
    "unwrap_used",
    "expect_used",
    "indexing_slicing",
    "clippy::panic",
    "arithmetic_side_effects",
    "iter_over_hash_type",
];

#[test]
fn the_core_forbids_panics_and_nobody_allows_them_again() {
    let core: Vec<Source> = WORKERS.into_iter().flat_map(sources).collect();
    let libs = core.iter().filter(|source| source.path.ends_with("src/lib.rs"));
    for (lib, lint) in libs.flat_map(|lib| LINTS.map(|lint| (lib, lint))) {
        assert!(lib.text.contains(lint), "{} denies {lint}", lib.path);
    }
    // The board's write side runs in the pipeline only, and says so.
    let words = ["clippy::unwrap_used", "clippy::expect_used", "clippy::indexing_slicing", "clippy::panic"];
    let places: Vec<String> = core
        .iter()
        .filter(|source| !source.path.ends_with("src/lib.rs") && source.path != "crates/core/src/pack.rs")
        .flat_map(|source| source.places(&words))
        .collect();
    assert_none(&places, "no exceptions to the panic lints");
}

#[test]
fn only_the_commands_terminal_prints() {
    let native = || NATIVE.into_iter().chain(ENGINE).flat_map(sources);
    let others = || native().filter(|source| !["crates/command/src/terminal.rs"].contains(&source.path.as_str()));
    let printing = ["println!", "eprintln!", "print!", "eprint!", "dbg!"];
    let ships = |source: &Source| !source.path.ends_with("/tests.rs");
    let places: Vec<String> = others().filter(ships).flat_map(|source| source.places(&printing)).collect();
    assert_none(&places, "what people see goes through crates/command/src/terminal.rs, which makes it printable");
    // Coloured log lines for people: only their fields are made printable.
    let made_printable =
        ["Printable(io::", ".is_terminal()", ".with_writer(io::stderr)", "ProgressDrawTarget::stderr()"];
    let places: Vec<String> = others()
        .flat_map(|source| {
            let lines = source.code().filter(|(_, line)| line.contains("stdout()") || line.contains("stderr"));
            let raw = lines.filter(|(_, line)| !made_printable.iter().any(|part| line.contains(part)));
            raw.map(|(number, line)| format!("{}:{number} writes {}", source.path, line.trim())).collect::<Vec<_>>()
        })
        .collect();
    assert_none(&places, "standard output and error are written to through what makes it printable");
}

/// The names of a deployment's secrets.
const SECRETS: [&str; 6] = [
    "JWT_HS256_KEY",
    "JWT_HS256_KEY_OTHER",
    "JWT_ES256_PUBLIC_KEY",
    "JWT_ES256_PUBLIC_KEY_OTHER",
    "USER_KEY",
    "PREVIEW_SECRET",
];
/// Folders with generated files only.
const BUILT: [&str; 9] = ["target", "node_modules", ".git", ".cache", ".demo", ".wrangler", "build", "built", "bin"];

#[test]
fn no_secret_is_in_the_repository() {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    let ignored = fs::read_to_string(root.join(".gitignore")).unwrap();
    assert!(ignored.lines().any(|line| line == ".dev.vars"), "this machine's secrets are not in git");
    let wrangler =
        ["wrangler.toml", "crates/event-worker/wrangler.toml"].map(|path| fs::read_to_string(root.join(path)).unwrap());
    let set = |line: &str| SECRETS.iter().any(|name| line.split('=').next().is_some_and(|key| key.trim() == *name));
    assert!(!wrangler.iter().any(|text| text.lines().any(set)), "wrangler.toml sets no secret");
    let private = [["-----BEGIN ", "PRIVATE KEY"].concat(), ["-----BEGIN EC ", "PRIVATE KEY"].concat()];
    let (mut places, mut read) = (Vec::new(), 0);
    for (name, text) in texts() {
        read += 1;
        let text = text.replace("\\n", "\n");
        // The private part of a JSON Web Key on a curve.
        let is_jwk = text.contains("\"crv\"") && text.contains("\"d\":");
        if !name.ends_with(".dev.vars") && (is_jwk || private.iter().any(|private| text.contains(private))) {
            places.push(name.clone());
        }
    }
    places.retain(|place| !place.ends_with("tests/it/tidy.rs"));
    assert!(read > 100, "{read} files");
    assert_none(&places, "keys are made by tests, or given to a deployment");
}
