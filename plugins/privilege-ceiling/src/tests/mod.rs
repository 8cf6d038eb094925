//! What is denied and what is not, of plans that are written out.

mod fixtures;
mod judged_anew;
mod lowered;
mod of_namespace;
mod of_profile;
mod told;
