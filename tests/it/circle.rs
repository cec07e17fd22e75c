//! No dependency circles: neither among the crates, which depend on lower layers only, nor among
//! the modules of one crate.
//!
//! A submodule may name the modules that contain it. Every other reference counts, including a
//! module's references to its submodules.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use syn::visit::{self, Visit};

/// The packages from the lowest layer up: each depends on lower rows only. `.` is the Worker.
const LAYERS: [&[&str]; 9] = [
    &["crates/kernel"],
    &["crates/core"],
    &["crates/run", "."],
    &["crates/tables", "crates/identity", "crates/taste", "crates/experiment", "crates/publish", "crates/event-worker"],
    &["crates/parquet", "crates/demo", "crates/event-import", "crates/replay"],
    &["crates/pipeline"],
    &["crates/command"],
    &["crates/cluster"],
    &["bench/core"],
];

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// The packages by folder.
fn packages() -> Vec<String> {
    let crates = fs::read_dir(root().join("crates")).unwrap();
    let crates = crates.map(|entry| format!("crates/{}", entry.unwrap().file_name().to_string_lossy()));
    crates.chain([".".to_owned(), "bench/core".to_owned()]).collect()
}

type Graph = BTreeMap<String, BTreeSet<String>>;

/// The packages by folder, each with those that its manifest names.
fn crates() -> Graph {
    let top = root().canonicalize().unwrap();
    let leans = |package: &String| {
        let folder = root().join(package);
        let manifest: toml::Table = fs::read_to_string(folder.join("Cargo.toml")).unwrap().parse().unwrap();
        let dependencies = manifest["dependencies"].as_table().unwrap().values();
        let paths = dependencies.filter_map(|dependency| dependency.get("path")?.as_str());
        let below = paths.map(|path| {
            let below = fs::canonicalize(folder.join(path)).unwrap();
            let below = below.strip_prefix(&top).unwrap().to_string_lossy().into_owned();
            if below.is_empty() { ".".to_owned() } else { below }
        });
        below.collect()
    };
    packages().into_iter().map(|package| (package.clone(), leans(&package))).collect()
}

#[test]
fn crates_lean_on_lower_ones_alone() {
    let layer = |folder: &str| LAYERS.iter().position(|row| row.contains(&folder));
    let mut wrong = Vec::new();
    for (package, below) in crates() {
        let Some(own) = layer(&package) else {
            wrong.push(format!("{package} stands in no layer"));
            continue;
        };
        let above = below.iter().filter(|below| layer(below).is_none_or(|layer| layer >= own));
        wrong.extend(above.map(|below| format!("{package} leans on {below}")));
    }
    assert!(wrong.is_empty(), "LAYERS says what may lean on what:\n{}", wrong.join("\n"));
}

/// A module's references to others: paths as written, split at `::`.
#[derive(Default)]
struct Named {
    paths: Vec<Vec<String>>,
    /// Paths that the module re-exports.
    handed_on: Vec<Vec<String>>,
}

impl Named {
    fn tree(tree: &syn::UseTree, before: &[String], found: &mut Vec<Vec<String>>) {
        let with = |name: &syn::Ident| [before, &[name.to_string()]].concat();
        match tree {
            syn::UseTree::Path(path) => Self::tree(&path.tree, &with(&path.ident), found),
            syn::UseTree::Group(group) => group.items.iter().for_each(|tree| Self::tree(tree, before, found)),
            syn::UseTree::Name(name) => found.push(with(&name.ident)),
            syn::UseTree::Rename(rename) => found.push(with(&rename.ident)),
            syn::UseTree::Glob(_) => found.push(before.to_vec()),
        }
    }
}

impl<'ast> Visit<'ast> for Named {
    fn visit_item_mod(&mut self, item: &'ast syn::ItemMod) {
        let is_test = item.attrs.iter().any(|attribute| {
            attribute.path().is_ident("cfg") && attribute.parse_args::<syn::Ident>().is_ok_and(|name| name == "test")
        });
        if !is_test {
            visit::visit_item_mod(self, item);
        }
    }

    fn visit_item_use(&mut self, item: &'ast syn::ItemUse) {
        let is_own = matches!(item.vis, syn::Visibility::Inherited);
        Self::tree(&item.tree, &[], if is_own { &mut self.paths } else { &mut self.handed_on });
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        if path.segments.len() > 1 {
            self.paths.push(path.segments.iter().map(|segment| segment.ident.to_string()).collect());
        }
        visit::visit_path(self, path);
    }
}

/// The modules of the crate in `folder`, each with the other modules that it names.
fn modules(folder: &Path) -> Graph {
    let mut files = BTreeMap::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(inner) = folders.pop() {
        for entry in fs::read_dir(&inner).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if let Some(name) = path.to_string_lossy().strip_suffix(".rs") {
                let name = Path::new(name).strip_prefix(folder).unwrap().to_string_lossy().replace('/', "::");
                // A module's tests lie beside it; a program is not a module.
                if name != "main" && !name.ends_with("tests") {
                    files.insert(if name == "lib" { String::new() } else { name }, path);
                }
            }
        }
    }
    let names: BTreeSet<String> = files.keys().cloned().collect();
    files.into_iter().map(|(module, path)| (module.clone(), leaning(&module, &path, &names))).collect()
}

/// The modules of `all` that the file at `path` (module `module`) names, except those that contain
/// it.
fn leaning(module: &str, path: &Path, all: &BTreeSet<String>) -> BTreeSet<String> {
    let mut named = Named::default();
    let file = syn::parse_file(&fs::read_to_string(path).unwrap())
        .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    named.visit_file(&file);
    let own: Vec<&str> = module.split("::").filter(|part| !part.is_empty()).collect();
    let resolve = |path: &[String]| {
        let mut parts = path.iter().map(String::as_str).peekable();
        let mut base = own.clone();
        match *parts.peek()? {
            "crate" => base.clear(),
            "self" | "super" => {}
            part if all.contains(&[&own[..], &[part]].concat().join("::")) => {}
            _ => return None,
        }
        while let Some(part) = parts.next_if(|part| ["crate", "self", "super"].contains(part)) {
            if part == "super" {
                base.pop();
            }
        }
        base.extend(parts);
        // An item belongs to the module that declares it.
        (0..=base.len()).rev().map(|length| base[..length].join("::")).find(|name| all.contains(name))
    };
    // The root only declares and re-exports; references to it mean an error type or a constant of
    // the whole crate.
    let is_above = |other: &str| other.is_empty() || module.starts_with(&format!("{other}::"));
    let named = named.paths.iter().chain(&named.handed_on).filter_map(|path| resolve(path));
    named.filter(|other| !module.is_empty() && other != module && !is_above(other)).collect()
}

/// The part of `graph` that remains after repeatedly removing all nodes without outgoing or without
/// incoming edges: nodes in a circle, or between two.
fn circles(mut graph: Graph) -> Graph {
    loop {
        let before = graph.len();
        let leaned_on: BTreeSet<String> = graph.values().flatten().cloned().collect();
        graph.retain(|module, others| !others.is_empty() && leaned_on.contains(module));
        let left: BTreeSet<String> = graph.keys().cloned().collect();
        for others in graph.values_mut() {
            others.retain(|other| left.contains(other));
        }
        if graph.len() == before && graph.values().all(|others| !others.is_empty()) {
            return graph;
        }
    }
}

#[test]
fn no_modules_of_a_crate_lean_on_each_other() {
    let (mut wrong, mut seen) = (Vec::new(), 0);
    for package in packages() {
        let graph = modules(&root().join(&package).join("src"));
        seen += graph.values().map(BTreeSet::len).sum::<usize>();
        for (module, others) in circles(graph) {
            let others: Vec<&str> = others.iter().map(String::as_str).collect();
            wrong.push(format!("{package}: {module} leans on {}", others.join(", ")));
        }
    }
    assert!(seen > 500, "{seen} arrows");
    assert!(wrong.is_empty(), "these lie in circles:\n{}", wrong.join("\n"));
}

/// For each row of `graph`, how far it stands above the rows that lean on nothing.
fn levels(graph: &Graph) -> BTreeMap<&str, usize> {
    let mut levels: BTreeMap<&str, usize> = BTreeMap::new();
    while levels.len() < graph.len() {
        let before = levels.len();
        for (name, others) in graph {
            let below: Option<Vec<usize>> = others.iter().map(|other| levels.get(other.as_str()).copied()).collect();
            if let Some(below) = below.filter(|_| !levels.contains_key(name.as_str())) {
                levels.insert(name, below.into_iter().max().map_or(0, |level| level + 1));
            }
        }
        assert!(levels.len() > before, "a circle");
    }
    levels
}

/// All that `from` leans on, however far down.
fn reach(graph: &Graph, from: &str) -> BTreeSet<String> {
    let (mut seen, mut open) = (BTreeSet::new(), vec![from.to_owned()]);
    while let Some(next) = open.pop() {
        for other in graph.get(&next).into_iter().flatten() {
            if seen.insert(other.clone()) {
                open.push(other.clone());
            }
        }
    }
    seen
}

/// The arrows of `graph` without those that others imply.
fn reduced(graph: &Graph) -> Graph {
    let keep = |others: &BTreeSet<String>| {
        let implied: BTreeSet<String> = others.iter().flat_map(|other| reach(graph, other)).collect();
        others.difference(&implied).cloned().collect()
    };
    graph.iter().map(|(name, others)| (name.clone(), keep(others))).collect()
}

/// The modules at the top of a crate, from those that lean on no other, rank by rank. Modules whose
/// parts lean on each other share a rank, joined by `=`.
fn ranks(package: &str) -> Vec<String> {
    let graph = modules(&root().join(package).join("src"));
    let top = |module: &str| module.split("::").next().unwrap().to_owned();
    let mut tops: Graph = BTreeMap::new();
    for (module, others) in graph.iter().filter(|(module, _)| !module.is_empty()) {
        let own = tops.entry(top(module)).or_default();
        own.extend(others.iter().map(|other| top(other)).filter(|other| *other != top(module)));
    }
    // Rooms that lean on each other by different parts are drawn as one.
    let joined = |name: &String| {
        let is_both_ways = |other: &&String| reach(&tops, name).contains(*other) && reach(&tops, other).contains(name);
        let names: Vec<&str> = tops.keys().filter(is_both_ways).map(String::as_str).collect();
        if names.is_empty() { name.clone() } else { names.join("=") }
    };
    let mut drawn = Graph::new();
    for (name, others) in &tops {
        let own = joined(name);
        let others = others.iter().map(joined).filter(|other| *other != own);
        drawn.entry(own.clone()).or_default().extend(others);
    }
    let levels = levels(&drawn);
    let highest = levels.values().max().copied().unwrap_or(0);
    let of = |level| levels.iter().filter(|(_, of)| **of == level).map(|(name, _)| *name).collect::<Vec<_>>().join(" ");
    (0..=highest).map(of).collect()
}

/// The picture of crates and modules, as ARCHITECTURE.md has it.
fn picture() -> String {
    let mut graph = crates();
    graph.retain(|package, _| !package.starts_with("bench"));
    let (levels, arrows) = (levels(&graph), reduced(&graph));
    let name = |package: &str| if package == "." { "src".to_owned() } else { package.replace("crates/", "") };
    let mut order: Vec<&str> = graph.keys().map(String::as_str).collect();
    order.sort_by_key(|name| (std::cmp::Reverse(levels[name]), *name));
    let mut lines = Vec::new();
    for package in &order {
        let below: Vec<String> = arrows[*package].iter().map(|below| name(below)).collect();
        let arrow = if below.is_empty() { "" } else { "─► " };
        let line = format!("{} {:<13}{arrow}{}", levels[package], name(package), below.join(" "));
        lines.push(line.trim_end().to_owned());
    }
    for package in order {
        lines.push(String::new());
        let mut line = format!("{}:", name(package));
        for word in ranks(package).join(" < ").split(' ') {
            if line.chars().count() + word.chars().count() + 1 > 98 {
                lines.push(line);
                line = String::from("   ");
            }
            line = format!("{line} {word}");
        }
        lines.push(line);
    }
    lines.join("\n")
}

/// `make map` draws it anew.
#[test]
fn the_architecture_has_the_picture_of_the_code() {
    const OPEN: &str = "<!-- drawn by `make map` -->\n```text\n";
    let path = root().join("ARCHITECTURE.md");
    let text = fs::read_to_string(&path).unwrap();
    let (before, rest) = text.split_once(OPEN).expect("ARCHITECTURE.md has a place for the picture");
    let (drawn, after) = rest.split_once("\n```").unwrap();
    let picture = picture();
    if std::env::var_os("DRAW_MAP").is_some() {
        fs::write(&path, format!("{before}{OPEN}{picture}\n```{after}")).unwrap();
        return;
    }
    assert!(drawn == picture, "ARCHITECTURE.md shows other crates or modules than there are: run `make map`");
}

#[test]
fn a_circle_is_found_and_what_hangs_on_it_is_not_called_one() {
    let graph = |arrows: &[(&str, &str)]| {
        let mut graph: Graph = BTreeMap::new();
        for (from, to) in arrows {
            graph.entry((*to).to_owned()).or_default();
            graph.entry((*from).to_owned()).or_default().insert((*to).to_owned());
        }
        circles(graph).into_keys().collect::<Vec<_>>()
    };
    assert!(graph(&[("a", "b"), ("b", "c"), ("a", "c")]).is_empty());
    assert_eq!(graph(&[("top", "a"), ("a", "b"), ("b", "c"), ("c", "a"), ("c", "leaf")]), ["a", "b", "c"]);
}
