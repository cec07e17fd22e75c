//! Tests of the AI lab's files: valid ones, invalid ones, and those that the Python example writes.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, LazyLock};

use datafusion::arrow::array::{
    ArrayRef, FixedSizeListBuilder, Float32Builder, Float64Builder, Int64Array, ListBuilder, RecordBatch, StringArray,
    StringBuilder,
};
use datafusion::parquet::arrow::ArrowWriter;
use sinsang_core::viewer::UserHasher;
use sinsang_pipeline::read::external_vectors::{Error, Lab};
use sinsang_pipeline::read::forgotten::{self, Forgotten, Subject, Whose};
use sinsang_pipeline::read::rekey::Renamed;
use sinsang_pipeline::read::rules::LabRules;

fn hasher() -> UserHasher {
    UserHasher::new(b"a key of the tests").unwrap()
}

fn whose<'a>(hasher: &'a UserHasher, forgotten: &'a Forgotten) -> Whose<'a> {
    static NOBODY: LazyLock<Renamed> = LazyLock::new(Renamed::default);
    Whose { hasher, renamed: &NOBODY, forgotten }
}

fn name(user: &str) -> String {
    hasher().key(user).to_string()
}

fn write(path: &Path, columns: [(&str, ArrayRef); 2]) {
    let batch = RecordBatch::try_from_iter(columns).unwrap();
    let mut writer = ArrowWriter::try_new(File::create(path).unwrap(), batch.schema(), None).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
}

fn texts(texts: &[&str]) -> ArrayRef {
    Arc::new(texts.iter().map(|text| Some(*text)).collect::<StringArray>())
}

fn lists(rows: &[&[f64]]) -> ArrayRef {
    let mut builder = ListBuilder::new(Float64Builder::new());
    for row in rows {
        builder.values().append_slice(row);
        builder.append(true);
    }
    Arc::new(builder.finish())
}

fn fixed(rows: &[[f32; 3]]) -> ArrayRef {
    let mut builder = FixedSizeListBuilder::new(Float32Builder::new(), 3);
    for row in rows {
        builder.values().append_slice(row);
        builder.append(true);
    }
    Arc::new(builder.finish())
}

fn rules() -> LabRules {
    LabRules { users: Some("users.parquet".into()), products: Some("products.parquet".into()), ..LabRules::default() }
}

fn id(product: u64) -> String {
    format!("{product:016x}")
}

#[test]
fn bad_rows_are_set_aside_with_their_reason_and_the_rest_is_kept() {
    let folder = tempfile::tempdir().unwrap();
    let ids: Vec<String> = [1, 2, 3, 99].map(id).into();
    let ids: Vec<&str> = ids.iter().map(String::as_str).chain(["x", ids[0].as_str()]).collect();
    let products = [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0], [1.0; 3], [1.0; 3], [2.0; 3]];
    write(&folder.path().join("products.parquet"), [("product_id", texts(&ids)), ("vector", fixed(&products))]);
    let users = ["u1", "u2", "u3", "u4", "", "u1", "u6"];
    let vectors: [&[f64]; 7] = [
        &[9.0, 1.0, 0.0],
        &[f64::NAN, 1.0, 0.0],
        &[1.0, 2.0],
        &[0.0, 0.0, 0.0],
        &[1.0, 0.0, 0.0],
        &[1.0, 0.0, 0.0],
        &[0.0, 0.0, -5.0],
    ];
    write(&folder.path().join("users.parquet"), [("user_id", texts(&users)), ("vector", lists(&vectors))]);
    let mut listed = ListBuilder::new(StringBuilder::new());
    for row in [vec![id(3), id(99), id(1), id(3)], vec![id(99)], vec![]] {
        for product in &row {
            listed.values().append_value(product);
        }
        listed.append(true);
    }
    let lists_of = [("user_id", texts(&["u1", "u2", "u3"])), ("products", Arc::new(listed.finish()) as ArrayRef)];
    write(&folder.path().join("lists.parquet"), lists_of);
    let rules = LabRules { lists: Some("lists.parquet".into()), ..rules() };
    let lab = Lab::read(&rules, folder.path(), &BTreeSet::from([1, 2, 3, 4]), whose(&hasher(), &Forgotten::default()))
        .unwrap()
        .unwrap();
    let report = &lab.report;
    assert_eq!((report.width, report.board), (3, (3, 4)));
    let products = report.products.as_ref().unwrap();
    assert_eq!((products.rows, products.used), (6, 3));
    assert_eq!(products.aside["product_id is not 16 hex digits"], (1, 5));
    assert_eq!(products.aside["duplicate product_id"], (1, 6));
    let users = report.users.as_ref().unwrap();
    assert_eq!((users.rows, users.used), (7, 2));
    for (reason, row) in [
        ("vector has a null or non-finite number", 2),
        ("vector differs in width from those before", 3),
        ("vector is all 0", 4),
        ("id is missing", 5),
        ("duplicate user_id", 6),
    ] {
        assert_eq!(users.aside[reason], (1, row), "{reason}");
    }
    let score = |user: &str, product: u64| -> i32 {
        lab.users[&name(user)].iter().zip(&lab.products[&product]).map(|(a, b)| i32::from(*a) * i32::from(*b)).sum()
    };
    assert!(score("u1", 1) > score("u1", 2) && score("u1", 2) > score("u1", 3) && score("u6", 3) < 0);
    assert_eq!(lab.lists[&name("u1")], [3, 1]);
    assert_eq!(lab.lists.len(), 1);
}

/// A user known only to the lab has tastes from its files, and can be forgotten like any other.
#[test]
fn who_asked_to_be_forgotten_does_not_come_back_with_the_labs_files() {
    let folder = tempfile::tempdir().unwrap();
    let ids: Vec<String> = [1, 2].map(id).into();
    let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
    write(
        &folder.path().join("products.parquet"),
        [("product_id", texts(&ids)), ("vector", fixed(&[[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]]))],
    );
    let users = texts(&["u1", "u2 ", "카페", "u4"]);
    let vectors: [&[f64]; 4] = [&[1.0, 0.0, 0.0]; 4];
    write(&folder.path().join("users.parquet"), [("user_id", Arc::clone(&users)), ("vector", lists(&vectors))]);
    let mut listed = ListBuilder::new(StringBuilder::new());
    for _ in 0..4 {
        listed.values().append_value(ids[0]);
        listed.append(true);
    }
    write(&folder.path().join("lists.parquet"), [("user_id", users), ("products", Arc::new(listed.finish()))]);
    let rules = LabRules { lists: Some("lists.parquet".into()), ..rules() };
    // Ids as people and systems write them: surrounded by spaces, and in decomposed form.
    let asked: Vec<Subject> =
        [" u1", "u2", "\u{110f}\u{1161}\u{1111}\u{1166}"].map(|user| Subject::user(user, &[hasher()]).unwrap()).into();
    forgotten::add(folder.path(), &asked, false).unwrap();
    let forgotten = Forgotten::read(folder.path()).unwrap();
    let lab = Lab::read(&rules, folder.path(), &BTreeSet::from([1, 2]), whose(&hasher(), &forgotten)).unwrap().unwrap();
    assert_eq!(lab.users.keys().collect::<Vec<_>>(), [&name("u4")]);
    assert_eq!(lab.lists.keys().collect::<Vec<_>>(), [&name("u4")]);
    for file in [&lab.report.users, &lab.report.lists] {
        let file = file.as_ref().unwrap();
        assert_eq!((file.used, file.aside["user_id asked to be forgotten"]), (1, (3, 1)));
    }
}

#[test]
fn files_that_can_not_be_used_are_refused_with_the_reason() {
    let folder = tempfile::tempdir().unwrap();
    let board = BTreeSet::from([1, 2]);
    let read =
        || Lab::read(&rules(), folder.path(), &board, whose(&hasher(), &Forgotten::default())).map(|_| ()).unwrap_err();
    assert!(matches!(read(), Error::Open { .. }));
    let products = folder.path().join("products.parquet");
    fs::write(&products, b"no parquet").unwrap();
    assert!(matches!(read(), Error::File(_)));
    let ids: Vec<String> = [1, 2].map(id).into();
    let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
    write(&products, [("product_id", texts(&ids)), ("embedding", fixed(&[[1.0; 3]; 2]))]);
    assert!(read().to_string().contains("column vector is missing"), "{}", read());
    write(&products, [("product_id", texts(&ids)), ("vector", Arc::new(Int64Array::from(vec![1, 2])))]);
    assert!(read().to_string().contains("expected a list"), "{}", read());
    write(&products, [("product_id", texts(&["x", "y"])), ("vector", fixed(&[[1.0; 3]; 2]))]);
    assert!(read().to_string().contains("no product has a non-zero vector"), "{}", read());
    write(&products, [("product_id", texts(&ids)), ("vector", fixed(&[[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]]))]);
    let users = folder.path().join("users.parquet");
    write(&users, [("user_id", texts(&["u1"])), ("vector", lists(&[&[1.0, 2.0]]))]);
    assert!(matches!(read(), Error::Widths { users: 2, products: 3, .. }), "{}", read());
}

/// A Python with pyarrow in the cache folder; `None` without Python.
fn python() -> Option<PathBuf> {
    Command::new("python3").arg("--version").output().ok()?;
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let cache = std::env::var_os("SINSANG_CACHE").map_or_else(|| root.join(".cache"), PathBuf::from);
    let venv = cache.join("lab-python");
    let python = venv.join("bin/python");
    let has_pyarrow =
        || Command::new(&python).args(["-c", "import pyarrow"]).output().is_ok_and(|out| out.status.success());
    if !has_pyarrow() {
        let made = Command::new("python3").args(["-m", "venv"]).arg(&venv).status().unwrap();
        let pip = Command::new(&python).args(["-m", "pip", "install", "--quiet", "pyarrow>=15,<26"]).status();
        assert!(made.success() && pip.unwrap().success() && has_pyarrow(), "no pyarrow in {}", venv.display());
    }
    Some(python)
}

#[test]
fn what_the_python_example_writes_is_read() {
    let Some(python) = python() else {
        println!("skipped: there is no python3");
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let board: BTreeSet<u64> = (1..=300).collect();
    let products: Vec<String> = (1..=250).map(id).collect();
    let users: Vec<String> = (0..80).map(|user| format!("u{user:06}")).collect();
    for (name, ids) in [("products", products), ("users", users)] {
        fs::write(folder.path().join(name), ids.join("\n")).unwrap();
    }
    let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/lab.py");
    let done = Command::new(python)
        .arg(example)
        .args([folder.path().join("products"), folder.path().join("users"), folder.path().to_owned()])
        .output()
        .unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    let rules = LabRules { lists: Some("lists.parquet".into()), ..rules() };
    let lab = Lab::read(&rules, folder.path(), &board, whose(&hasher(), &Forgotten::default())).unwrap().unwrap();
    assert_eq!((lab.report.width, lab.report.board, lab.users.len(), lab.lists.len()), (96, (250, 300), 80, 80));
    assert!(lab.report.kept > 0.99, "{}", lab.report);
}
