//! Tests of the machine against a kubelet that is simulated as it was measured.

mod kubelet;
mod property;
mod stories;
mod world;
