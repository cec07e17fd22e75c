//! The command on a cluster of processes.

mod cluster;
mod process;
