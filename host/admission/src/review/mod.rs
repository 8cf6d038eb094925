//! From an `AdmissionReview` to a verdict.
//!
//! ```text
//! request ─► what of it is judged ─► one plan for each container or pod ─► policies ─► verdict ─► answer
//! ```
//!
//! The debug is judged as a plan of the strategy `external`. What is not known at the door (the source of a copy, its
//! labels, a context) fits every pattern of a policy; what cannot be judged is denied where a policy is to be obeyed.

mod answer;
mod judge;
mod pods;
mod request;
mod sessions;
#[cfg(test)]
mod tests;
mod verdict;

pub use self::{
    answer::{answer, unheard},
    judge::{Door, Webhook, judge},
    request::{MAX_REVIEW, ReadError, Request, Requested, uid_of_beginning},
    verdict::{Found, Judged, Verdict},
};
