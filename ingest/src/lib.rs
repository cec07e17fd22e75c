//! Events into Sinsang: what the Worker's queue or Kafka brought, read once each, row by row.
