//! Events taken in from objects and from Kafka.

mod kafka;
mod objects;
mod support;
