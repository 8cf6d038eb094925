//! What planning needs of the plugins, and what they answer. How a plugin is run is known elsewhere.

use trocar_sdk::{
    Actor, Context, DebugOptions, Diagnostic, Failure,
    policy::{Operation, Verdict},
};

use crate::target::Target;

/// The plugins of one plan: its strategy, and its policies in the order in which they are asked.
pub trait Guests {
    /// Why a strategy could not be run.
    type Error;

    /// Asks the strategy for a plan.
    ///
    /// # Errors
    /// Fails when the strategy is broken or reached a limit; the inner failure is its own refusal.
    fn propose(&mut self, documents: &Documents<'_>) -> Result<Result<Proposal, Failure>, Self::Error>;

    /// Asks the policy at an index about a plan, which is the text of a `DebugPlan` document.
    ///
    /// # Errors
    /// Fails with the reason why it could not judge.
    fn evaluate(&mut self, policy: usize, plan: &str, documents: &Documents<'_>) -> Result<Decision, String>;
}

/// The documents that every plugin is given, as JSON text.
#[derive(Clone, Debug)]
pub struct Documents<'a> {
    /// The target.
    pub target: &'a str,
    /// The `DebugOptions`.
    pub options: String,
    /// Who asks, and why. Strategies are not given it.
    pub actor: String,
    /// Time, namespace and random suffix.
    pub context: String,
}

impl<'a> Documents<'a> {
    pub(super) fn new(target: &'a Target, options: &DebugOptions, actor: &Actor, context: &Context) -> Self {
        let written = "our own documents can always be written";
        Self {
            target: target.text(),
            options: serde_json::to_string(options).expect(written),
            actor: serde_json::to_string(actor).expect(written),
            context: serde_json::to_string(context).expect(written),
        }
    }
}

/// A strategy's answer: the objects of its steps are JSON text that was not looked at yet.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Proposal {
    /// Action and object of each step.
    pub steps: Vec<(String, String)>,
    /// The container to attach to.
    pub attach: Option<String>,
    /// What people should know.
    pub diagnostics: Vec<Diagnostic>,
}

/// A policy's answer: the values of its changes are JSON text that was not looked at yet.
#[derive(Clone, Debug)]
pub struct Decision {
    /// What it comes to.
    pub verdict: Verdict,
    /// Operation, RFC 6901 pointer and value of each change.
    pub changes: Vec<(Operation, String, Option<String>)>,
    /// What people should know.
    pub diagnostics: Vec<Diagnostic>,
}
