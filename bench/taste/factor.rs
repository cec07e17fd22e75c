//! Factors of a whole matrix, as `make bench-taste` compares them with the package `implicit`.
//!
//! ```text
//! factor fit FOLDER ROUNDS     fits the matrix of `taste matrix` in FOLDER; prints time, loss
//! factor loss FOLDER           prints the loss of its users.f32 and products.f32 on that matrix
//! ```

#[path = "../process.rs"]
mod process;

use std::error::Error;
use std::fs;
use std::path::Path;
use std::time::Instant;

use process::{cpu_seconds, peak_bytes};
use serde_json::json;
use sinsang_taste::matrix::Sparse;
use sinsang_taste::{FactorOptions, Fitted};

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [command, folder, rounds @ ..] = arguments.as_slice() else { return Err("factor fit|loss FOLDER".into()) };
    let folder = Path::new(folder);
    let users = matrix(folder)?;
    let rounds = rounds.first().map_or(Ok(8), |rounds| rounds.parse())?;
    let options = FactorOptions { rounds, ..FactorOptions::default() };
    let line = if command == "loss" {
        let fitted =
            Fitted { users: numbers(&folder.join("users.f32"))?, products: numbers(&folder.join("products.f32"))? };
        json!({ "loss": fitted.loss(&users, options) })
    } else {
        let (begun, before) = (Instant::now(), cpu_seconds());
        let fitted = Fitted::fit(&users, options);
        let (wall, cpu) = (begun.elapsed().as_secs_f64(), cpu_seconds() - before);
        json!({
            "users": users.len(), "products": users.width(), "entries": users.values().len(), "rounds": rounds,
            "wall_s": wall, "cpu_s": cpu, "loss": fitted.loss(&users, options), "peak_bytes": peak_bytes(),
        })
    };
    println!("{line}");
    Ok(())
}

fn matrix(folder: &Path) -> Result<Sparse, Box<dyn Error>> {
    let bytes = |name: &str| fs::read(folder.join(name));
    let (rows, columns, values) = (bytes("rows")?, bytes("columns")?, bytes("values")?);
    let (columns, values) = (columns.as_chunks::<4>().0, values.as_chunks::<4>().0);
    let ends: Vec<usize> =
        rows.as_chunks().0.iter().map(|end| usize::try_from(u64::from_le_bytes(*end))).collect::<Result<_, _>>()?;
    let width = columns.iter().map(|column| u32::from_le_bytes(*column)).max().map_or(0, |most| most as usize + 1);
    let mut users = Sparse::new(width);
    for row in ends.windows(2) {
        let entries = columns[row[0]..row[1]].iter().zip(&values[row[0]..row[1]]);
        users.push(
            entries
                .map(|(column, value)| (u32::from_le_bytes(*column) as usize, f64::from(f32::from_le_bytes(*value)))),
        );
    }
    Ok(users)
}

fn numbers(path: &Path) -> Result<Vec<f32>, Box<dyn Error>> {
    Ok(fs::read(path)?.as_chunks().0.iter().map(|number| f32::from_le_bytes(*number)).collect())
}
