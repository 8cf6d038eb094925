//! The facts of Kubernetes: the types that a pod is made of, the form in which a pod is judged, and how what a server
//! stored is compared with what was judged.

mod bounds;
mod defaults;
mod normal;
mod place;
mod quantity;
mod refused;
mod scheduling;
mod shape;
mod stored;
pub mod table;
mod types;

#[cfg(test)]
mod cases;

pub(crate) use normal::normalize_target;
pub use normal::{normalize_container, normalize_pod};
pub(crate) use quantity::milli;
pub use refused::{Fact, Refused};
pub(crate) use scheduling::scheduled_otherwise;
pub use stored::{
    Difference, DifferenceKind, Received, Stored, compare_stored_ephemeral, compare_stored_pod,
};
pub use types::{Field, Kind, Presence, Type};

/// The longest mistyped name that a nearest one is looked for, in bytes: the search takes time in proportion to it.
const MAX_MISTYPED: usize = 64;

/// Finds the field of a type that an unknown name most likely meant.
pub fn nearest(kind: &Type, unknown: &str) -> Option<&'static str> {
    if unknown.len() > MAX_MISTYPED {
        return None;
    }
    trocar_sdk::names::nearest(unknown, kind.fields.iter().map(|field| field.name))
}
