//! A server at a cluster's door: it judges every debug container and debug pod, whatever tool makes it, by the same
//! policies as trocar does.
//!
//! [`review`] is pure but for the plugins that it asks: from an `AdmissionReview` to a verdict. [`rules`] loads what is
//! configured, [`server`] answers the API server. Internal to the program, without stability.

pub mod cases;
pub mod reader;
pub mod review;
pub mod rules;
pub mod server;
