//! Users' tastes, and the model of tastes that is kept between builds.

pub mod model_file;
pub mod taste;
