//! What is learned of users: their tastes, and the model of them that is kept between builds.

pub mod model_file;
pub mod taste;
