//! No circles: neither among the crates, which lean on lower ones alone, nor among the modules of one.
//!
//! A part may name the module whose folder it is in: parts know what they are part of. All else counts, also what a module names of its parts.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use syn::visit::{self, Visit};

/// The packages from the lowest up: each leans on those of lower rows alone. `.` is the Worker.
const LAYERS: [&[&str]; 8] = [
    &["crates/core"],
    &["crates/run", "."],
    &["crates/tables", "crates/identity", "crates/taste", "crates/experiment", "crates/publish", "crates/event-worker"],
    &["crates/parquet", "crates/demo", "crates/event-import"],
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

#[test]
fn crates_lean_on_lower_ones_alone() {
    let layer = |folder: &str| LAYERS.iter().position(|row| row.contains(&folder));
    let mut wrong = Vec::new();
    for package in packages() {
        let folder = root().join(&package);
        let manifest: toml::Table = fs::read_to_string(folder.join("Cargo.toml")).unwrap().parse().unwrap();
        let Some(own) = layer(&package) else {
            wrong.push(format!("{package} stands in no layer"));
            continue;
        };
        let dependencies = manifest["dependencies"].as_table().unwrap().values();
        for path in dependencies.filter_map(|dependency| dependency.get("path")?.as_str()) {
            let below = fs::canonicalize(folder.join(path)).unwrap();
            let below = below.strip_prefix(root().canonicalize().unwrap()).unwrap().to_string_lossy().into_owned();
            let below = if below.is_empty() { ".".to_owned() } else { below };
            if layer(&below).is_none_or(|layer| layer >= own) {
                wrong.push(format!("{package} leans on {below}"));
            }
        }
    }
    assert!(wrong.is_empty(), "LAYERS says what may lean on what:\n{}", wrong.join("\n"));
}

/// What a module names of others: paths as they stand, split at `::`.
#[derive(Default)]
struct Named {
    paths: Vec<Vec<String>>,
    /// Paths that are handed on as the module's own.
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

/// The modules of the crate in `folder`, each with the others that it names.
fn modules(folder: &Path) -> BTreeMap<String, BTreeSet<String>> {
    let mut files = BTreeMap::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(inner) = folders.pop() {
        for entry in fs::read_dir(&inner).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if let Some(name) = path.to_string_lossy().strip_suffix(".rs") {
                let name = Path::new(name).strip_prefix(folder).unwrap().to_string_lossy().replace('/', "::");
                // Tests of a module lie beside it; a program is no module.
                if name != "main" && !name.ends_with("tests") {
                    files.insert(if name == "lib" { String::new() } else { name }, path);
                }
            }
        }
    }
    let names: BTreeSet<String> = files.keys().cloned().collect();
    files.into_iter().map(|(module, path)| (module.clone(), leaning(&module, &path, &names))).collect()
}

/// The modules of `all` that the file at `path`, which is `module`, names, but for those whose folder it is in.
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
        // Items are of the module that has them.
        (0..=base.len()).rev().map(|length| base[..length].join("::")).find(|name| all.contains(name))
    };
    // The root declares and hands on; what of it is named is an error type or a constant of all.
    let is_above = |other: &str| other.is_empty() || module.starts_with(&format!("{other}::"));
    let named = named.paths.iter().chain(&named.handed_on).filter_map(|path| resolve(path));
    named.filter(|other| !module.is_empty() && other != module && !is_above(other)).collect()
}

/// What is left of `graph` once all that leans on nothing, or has nothing lean on it, is taken away: what is in a circle, or between two.
fn circles(mut graph: BTreeMap<String, BTreeSet<String>>) -> BTreeMap<String, BTreeSet<String>> {
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

#[test]
fn a_circle_is_found_and_what_hangs_on_it_is_not_called_one() {
    let graph = |arrows: &[(&str, &str)]| {
        let mut graph: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for (from, to) in arrows {
            graph.entry((*to).to_owned()).or_default();
            graph.entry((*from).to_owned()).or_default().insert((*to).to_owned());
        }
        circles(graph).into_keys().collect::<Vec<_>>()
    };
    assert!(graph(&[("a", "b"), ("b", "c"), ("a", "c")]).is_empty());
    assert_eq!(graph(&[("top", "a"), ("a", "b"), ("b", "c"), ("c", "a"), ("c", "leaf")]), ["a", "b", "c"]);
}
