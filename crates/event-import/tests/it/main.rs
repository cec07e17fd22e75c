//! Tests of importing events from objects and from Kafka.

mod kafka;
mod objects;
mod support;
