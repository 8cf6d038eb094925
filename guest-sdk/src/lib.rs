//! Write debug strategies and policies for trocar.
//!
//! A plugin is a pure function. A **strategy** turns a pod or node and the user's options into a plan; a **policy** allows, amends
//! or denies a plan. Time, random suffix and user are data in the request, so the same request always gives the same answer, and a
//! plugin's logic is tested natively with `cargo test`.
//!
//! # A strategy
//!
//! A complete plugin that debugs a pod with the tools image of its team, which a label of the pod names:
//!
//! ```
//! use trocar_sdk::{Diagnostic, Failure, Plan, Request, ephemeral::ephemeral_container};
//!
//! /// Adds an ephemeral container with the image `registry.example.com/debug/TEAM`.
//! pub fn make_plan(request: Request) -> Result<Plan, Failure> {
//!     let pod = request.target.into_pod()?;
//!     let team = pod.label("team").ok_or_else(|| {
//!         let message = format!("pod {:?} has no label team, so its tools are not known", pod.name());
//!         Failure::invalid_request("no-team", message)
//!             .with(Diagnostic::error("no-team", "it belongs here").at(["metadata", "labels", "team"]))
//!     })?;
//!     let mut options = request.options.clone();
//!     options.image.get_or_insert(format!("registry.example.com/debug/{team}"));
//!     let container = ephemeral_container(&pod, &options, &request.context, |_| {})?;
//!     Ok(Plan::ephemeral_container(container))
//! }
//!
//! # #[cfg(feature = "guest")]
//! trocar_sdk::strategy!(make_plan);
//!
//! // In the tests of the crate:
//! # fn main() {
//! use trocar_sdk::Target;
//! let pod = serde_json::json!({"kind": "Pod", "metadata": {"name": "web", "labels": {"team": "shop"}}});
//! let target = Target(pod.as_object().unwrap().clone());
//! let plan = make_plan(Request { target, ..Request::default() }).unwrap();
//! assert_eq!(plan.steps[0].clone().into_object()["image"], "registry.example.com/debug/shop");
//! # }
//! ```
//!
//! `trocar plugin build` makes a component of such a crate, with the `plugin.yaml` beside it as its manifest;
//! `trocar plan -f pod.yaml --strategy=./mine.wasm` runs it.
//!
//! # A policy
//!
//! A policy that requires images with a digest, with a hint on how to get one:
//!
//! ```
//! use serde::Deserialize;
//! use trocar_sdk::{Diagnostic, Failure, image::ImageReference, policy::{Decision, Review}};
//!
//! #[derive(Default, Deserialize)]
//! #[serde(deny_unknown_fields, default)]
//! pub struct Settings {
//!     /// Registries whose images need none.
//!     except: Vec<String>,
//! }
//!
//! pub fn review(review: &Review<Settings>) -> Result<Decision, Failure> {
//!     let mut decision = Decision::allow();
//!     for container in review.containers() {
//!         let image = ImageReference::parse(container.image());
//!         let is_fine = image.is_some_and(|image| {
//!             image.digest.is_some() || review.settings.except.contains(&image.registry())
//!         });
//!         if !is_fine && !container.keeps("image") {
//!             let message = format!("container {:?}: the image has no digest", container.name());
//!             let found = Diagnostic::error("no-digest", message).at_pointer(container.at(["image"]));
//!             decision.deny(found.help("skopeo inspect shows an image's digest"));
//!         }
//!     }
//!     Ok(decision)
//! }
//!
//! # #[cfg(feature = "guest")]
//! trocar_sdk::policy!(review);
//! # fn main() {}
//! ```
//!
//! # Modules
//!
//! - [`request`], [`options`]: the input. [`plan`], [`mod@policy`]: the answers. [`diagnostic`]: messages for users.
//! - [`ephemeral`], [`pod`], [`profile`], [`inherit`], [`custom`], [`names`], [`image`], [`pod_security`]: helpers for Kubernetes.
//! - `guest`: the WebAssembly side, behind the feature of that name; only the macros, [`guest::log`] and [`guest::cluster`] are for authors.
#![deny(missing_docs)]

#[cfg(all(feature = "arena", target_arch = "wasm32", not(target_feature = "atomics")))]
mod arena;
pub mod custom;
pub mod diagnostic;
mod document;
pub mod ephemeral;
#[cfg(feature = "guest")]
pub mod guest;
pub mod image;
pub mod inherit;
mod keep;
pub mod names;
pub mod options;
mod outline;
pub mod plan;
pub mod pod;
pub mod pod_security;
pub mod policy;
pub mod profile;
pub mod request;

pub use diagnostic::{Diagnostic, Failure, FailureKind, Severity};
pub use keep::{Keep, Kept};
pub use options::{Actor, Context, DebugOptions, EnvVar};
pub use plan::{Plan, Step};
pub use pod::{Object, Pod};
pub use profile::Profile;
pub use request::{Request, Settings, Target};
