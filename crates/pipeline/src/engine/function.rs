//! The project's scalar functions, called by queries in `sql/`.

use std::sync::Arc;

use datafusion::arrow::array::{AsArray as _, Int64Array};
use datafusion::arrow::datatypes::DataType;
use datafusion::error::DataFusionError;
use datafusion::logical_expr::{ColumnarValue, ScalarUDF, Volatility, create_udf};

/// `taste_hash(user_id)`: a non-negative integer that spreads users over buckets, equal on every
/// machine.
pub(crate) fn taste_hash() -> ScalarUDF {
    let hash = |arguments: &[ColumnarValue]| {
        let arrays = ColumnarValue::values_to_arrays(arguments)?;
        let users = arrays.first().ok_or_else(|| DataFusionError::Plan("taste_hash takes a user id".to_owned()))?;
        let hashes: Int64Array = users.as_string::<i32>().iter().map(|user| user.map(user_hash)).collect();
        Ok(ColumnarValue::Array(Arc::new(hashes)))
    };
    create_udf("taste_hash", vec![DataType::Utf8], DataType::Int64, Volatility::Immutable, Arc::new(hash))
}

/// FNV-1a of the id's bytes, folded to 32 bits so that a remainder depends on all of them.
pub(crate) fn user_hash(user: &str) -> i64 {
    let hash = user
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3));
    i64::from((hash >> 32) as u32 ^ (hash & 0xffff_ffff) as u32)
}
