//! Checkpoint of a trained model, as a safetensors file between builds: names, shapes and numbers
//! in a format that other programs read too.

use std::borrow::Cow;
use std::collections::HashMap;

use safetensors::{Dtype, SafeTensorError, SafeTensors, View};
use xxhash_rust::xxh3::Xxh3;

use crate::factor::Factors;
use crate::lesson::Recipe;
use crate::matrix::Dense;
use crate::placement::Sides;
use crate::trained::Trained;
use crate::tuned::Tuned;
use crate::vector::DIMS;

/// The version of the tensors; increment it on any change.
const FORMAT: u32 = 3;
/// Header key of the training description. It is the only entry, because the order of several would
/// be random.
const TRAINED_WITH: &str = "trained_with";
const CHECKSUM: &str = "checksum";
/// What the training was done with and how that was chosen, as JSON.
const TUNED: &str = "tuned";

/// Why a checkpoint is unusable.
#[derive(Debug, thiserror::Error)]
pub enum Unusable {
    /// It is not a safetensors file, or is truncated.
    #[error("not a complete safetensors file: {0}")]
    NoFile(#[from] SafeTensorError),
    /// What it was trained with can't be written.
    #[error("what it was trained with can't be written: {0}")]
    Tuned(#[from] serde_json::Error),
    /// It was written by another version or trained differently than requested.
    #[error("trained with {found}, but {asked} was requested")]
    TrainedOtherwise {
        /// The description in the file.
        found: String,
        /// The requested description.
        asked: String,
    },
    /// The numbers don't match the checksum.
    #[error("checksum mismatch")]
    Damaged,
    /// A tensor is missing or has another type or shape.
    #[error("tensor {name} {what}")]
    Tensor {
        /// Its name.
        name: &'static str,
        /// The defect.
        what: String,
    },
}

/// An array of eight-byte numbers, or of bytes.
struct Tensor {
    dtype: Dtype,
    shape: Vec<usize>,
    bytes: Vec<u8>,
}

impl Tensor {
    fn dense(dense: &Dense) -> Self {
        Self { shape: vec![dense.len(), dense.width], ..Self::floats(&dense.values) }
    }

    fn floats(values: &[f64]) -> Self {
        let bytes = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        Self { dtype: Dtype::F64, shape: vec![values.len()], bytes }
    }

    fn text(bytes: Vec<u8>) -> Self {
        Self { dtype: Dtype::U8, shape: vec![bytes.len()], bytes }
    }

    fn whole(values: impl Iterator<Item = u64>) -> Self {
        let bytes: Vec<u8> = values.flat_map(u64::to_le_bytes).collect();
        Self { dtype: Dtype::U64, shape: vec![bytes.len() / 8], bytes }
    }
}

impl View for &Tensor {
    fn dtype(&self) -> Dtype {
        self.dtype
    }

    fn shape(&self) -> &[usize] {
        &self.shape
    }

    fn data(&self) -> Cow<'_, [u8]> {
        Cow::Borrowed(&self.bytes)
    }

    fn data_len(&self) -> usize {
        self.bytes.len()
    }
}

/// Describes a training: the format, the `recipe`, and in `besides` anything else that must match.
fn trained_with(recipe: &Recipe, besides: &str) -> String {
    format!("format {FORMAT}, {recipe:?}, {besides}")
}

fn checksum<'a>(tensors: impl Iterator<Item = (&'a str, &'a [u8])>) -> [u64; 2] {
    let mut hash = Xxh3::new();
    for (name, bytes) in tensors {
        hash.update(name.as_bytes());
        hash.update(bytes);
    }
    let hash = hash.digest128().to_le_bytes();
    let halves = hash.as_chunks().0;
    [u64::from_le_bytes(halves[0]), u64::from_le_bytes(halves[1])]
}

impl Trained {
    /// Serialises the model; the same training gives the same bytes. `besides` describes further
    /// training parameters, and `at` is the model's time in milliseconds since 1970.
    ///
    /// # Errors
    /// [`Unusable::NoFile`] if the header is too large, which a model's is not.
    pub fn keep(&self, besides: &str, at: i64) -> Result<Vec<u8>, Unusable> {
        let mut ends = 0;
        let ends = self.strongest.iter().map(|row| {
            ends += row.len() as u64;
            ends
        });
        let strongest = || self.strongest.iter().flatten();
        let mut tensors: Vec<(&str, Tensor)> = vec![
            ("at", Tensor::whole([at.cast_unsigned()].into_iter())),
            ("bias", Tensor::floats(&self.bias)),
            ("covariance", Tensor::dense(&self.covariance)),
            ("duals", Tensor::dense(&self.duals)),
            ("factors", Tensor::dense(&self.factors.products)),
            ("history", Tensor::dense(&self.history)),
            ("likeness", Tensor::dense(&self.likeness)),
            ("map", Tensor::dense(&self.map)),
            ("met", Tensor::floats(&self.met)),
            ("product", Tensor::whole(self.ids.iter().copied())),
            ("shares", Tensor::floats(self.shares.as_flattened())),
            ("side_ease", Tensor::dense(&self.sides.ease)),
            ("side_factors", Tensor::dense(&self.sides.factors)),
            ("side_names", Tensor::dense(&self.sides.names)),
            ("side_trend", Tensor::dense(&self.sides.trend)),
            ("strongest_ends", Tensor::whole(ends)),
            ("strongest_rows", Tensor::whole(strongest().map(|(row, _)| *row as u64))),
            ("strongest_weights", Tensor::floats(&strongest().map(|(_, weight)| *weight).collect::<Vec<f64>>())),
            ("users", Tensor::whole([self.users as u64].into_iter())),
            (TUNED, Tensor::text(serde_json::to_vec(&self.tuned)?)),
            ("unit_scale_gain", Tensor::floats(&[self.unit, self.scale, self.gain])),
        ];
        // In the order in which they are read back.
        tensors.sort_by_key(|(name, _)| *name);
        let sum = checksum(tensors.iter().map(|(name, tensor)| (*name, tensor.bytes.as_slice())));
        tensors.push((CHECKSUM, Tensor::whole(sum.into_iter())));
        let header = HashMap::from([(TRAINED_WITH.to_owned(), trained_with(&self.tuned.asked, besides))]);
        Ok(safetensors::serialize(tensors.iter().map(|(name, tensor)| (*name, tensor)), Some(header))?)
    }

    /// Reads a checkpoint written by [`keep`](Self::keep) with the same recipe and `besides`; also
    /// returns its time.
    ///
    /// # Errors
    /// [`Unusable`], with the reason.
    pub fn take_up(bytes: &[u8], recipe: &Recipe, besides: &str) -> Result<(Self, i64), Unusable> {
        let (_, header) = SafeTensors::read_metadata(bytes)?;
        let found = header.metadata().as_ref().and_then(|header| header.get(TRAINED_WITH)).cloned().unwrap_or_default();
        let asked = trained_with(recipe, besides);
        if found != asked {
            return Err(Unusable::TrainedOtherwise { found, asked });
        }
        let file = Kept(SafeTensors::deserialize(bytes)?);
        file.check()?;
        let ids = file.whole("product")?;
        let tuned = file.tuned()?;
        let (rows, factors) = (ids.len(), recipe.factors.factors);
        let [unit, scale, gain] = file.floats("unit_scale_gain")?;
        let trained = Self {
            users: usize::try_from(file.number("users")?).unwrap_or(usize::MAX),
            met: file.dense("met", rows, 1)?.values,
            unit,
            history: file.dense("history", rows, DIMS)?,
            likeness: file.dense("likeness", rows, DIMS)?,
            bias: file.floats("bias")?,
            factors: Factors::around(file.dense("factors", rows, factors)?, recipe.factors),
            map: file.dense("map", factors, DIMS)?,
            duals: file.dense("duals", rows, factors)?,
            sides: Sides {
                ease: file.dense("side_ease", rows, DIMS)?,
                factors: file.dense("side_factors", factors, DIMS)?,
                names: file.dense("side_names", rows, DIMS)?,
                trend: file.dense("side_trend", 1, DIMS)?,
            },
            shares: file.shares()?,
            scale,
            covariance: file.dense("covariance", DIMS, DIMS)?,
            gain,
            strongest: file.strongest(rows)?,
            ids,
            tuned,
        };
        Ok((trained, file.number("at")?.cast_signed()))
    }
}

/// An opened checkpoint.
struct Kept<'a>(SafeTensors<'a>);

impl Kept<'_> {
    fn check(&self) -> Result<(), Unusable> {
        let mut tensors = self.0.tensors();
        tensors.sort_by(|a, b| a.0.cmp(&b.0));
        let others = tensors.iter().filter(|(name, _)| name != CHECKSUM);
        let sum = checksum(others.map(|(name, tensor)| (name.as_str(), tensor.data())));
        if self.whole(CHECKSUM)? == sum { Ok(()) } else { Err(Unusable::Damaged) }
    }

    fn bytes(&self, name: &'static str, dtype: Dtype) -> Result<&[[u8; 8]], Unusable> {
        Ok(self.data(name, dtype)?.as_chunks().0)
    }

    fn tuned(&self) -> Result<Tuned, Unusable> {
        let wrong = |error: serde_json::Error| Unusable::Tensor { name: TUNED, what: format!("is no choice: {error}") };
        serde_json::from_slice(self.data(TUNED, Dtype::U8)?).map_err(wrong)
    }

    fn data(&self, name: &'static str, dtype: Dtype) -> Result<&[u8], Unusable> {
        let wrong = |what| Unusable::Tensor { name, what };
        let tensor = self.0.tensor(name).map_err(|_| wrong("is missing".to_owned()))?;
        if tensor.dtype() != dtype {
            return Err(wrong(format!("has type {:?}, expected {dtype:?}", tensor.dtype())));
        }
        Ok(tensor.data())
    }

    fn whole(&self, name: &'static str) -> Result<Vec<u64>, Unusable> {
        Ok(self.bytes(name, Dtype::U64)?.iter().map(|bytes| u64::from_le_bytes(*bytes)).collect())
    }

    fn number(&self, name: &'static str) -> Result<u64, Unusable> {
        let missing = || Unusable::Tensor { name, what: "is empty".to_owned() };
        self.whole(name)?.first().copied().ok_or_else(missing)
    }

    fn dense(&self, name: &'static str, rows: usize, width: usize) -> Result<Dense, Unusable> {
        let values: Vec<f64> = self.bytes(name, Dtype::F64)?.iter().map(|bytes| f64::from_le_bytes(*bytes)).collect();
        let wrong = |what| Unusable::Tensor { name, what };
        if values.len() != rows * width {
            return Err(wrong(format!("has {} numbers, expected {rows} x {width}", values.len())));
        }
        if !values.iter().all(|value| value.is_finite()) {
            return Err(wrong("has a non-finite number".to_owned()));
        }
        Ok(Dense { width, values })
    }

    fn floats<const N: usize>(&self, name: &'static str) -> Result<[f64; N], Unusable> {
        let mut values = [0.0; N];
        values.copy_from_slice(&self.dense(name, 1, N)?.values);
        Ok(values)
    }

    fn shares(&self) -> Result<[[f64; 4]; 2], Unusable> {
        let shares: [f64; 8] = self.floats("shares")?;
        Ok(std::array::from_fn(|kind| std::array::from_fn(|member| shares[4 * kind + member])))
    }

    /// The strongest weights by row; every column must be one of the `rows` products.
    fn strongest(&self, rows: usize) -> Result<Vec<Vec<(usize, f64)>>, Unusable> {
        let [name, of] = ["strongest_ends", "strongest_rows"];
        let (ends, columns) = (self.whole(name)?, self.whole(of)?);
        let weights = self.dense("strongest_weights", 1, columns.len())?.values;
        let wrong = |what: &str| Unusable::Tensor { name, what: what.to_owned() };
        if !ends.is_empty() && ends.len() != rows {
            return Err(wrong("lacks an end for some products"));
        }
        let mut strongest = Vec::with_capacity(ends.len());
        let mut begin = 0;
        for end in ends {
            let end = usize::try_from(end).unwrap_or(usize::MAX);
            let row = columns.get(begin..end).zip(weights.get(begin..end)).ok_or_else(|| wrong("is not ascending"))?;
            let entry = |(column, weight): (&u64, &f64)| {
                let column = usize::try_from(*column).ok().filter(|column| *column < rows);
                Ok((
                    column.ok_or_else(|| Unusable::Tensor {
                        name: of,
                        what: "has an index that is not a product".to_owned(),
                    })?,
                    *weight,
                ))
            };
            strongest.push(row.0.iter().zip(row.1).map(entry).collect::<Result<_, Unusable>>()?);
            begin = end;
        }
        Ok(strongest)
    }
}
