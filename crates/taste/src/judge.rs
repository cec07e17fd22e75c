//! How well an order of products fits what users did later: logs cut in time, and measures of
//! ranked lists.

mod log;
mod metric;

pub use log::{Act, Log, Offered, Taker, Window};
pub(crate) use metric::ndcg;
pub use metric::{Bootstrap, DEPTH, Estimate, Listed, mean, measure};
