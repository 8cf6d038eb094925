//! Why there is no plan.

use trocar_sdk::Failure;

use crate::plan::{DebugPlan, PluginId, check::Violation};

/// Who has to change something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Blame {
    /// The plugin's author.
    Plugin,
    /// The user of trocar: a grant, a limit, another file.
    User,
    /// Trocar.
    Host,
}

/// An error that knows who has to change something.
pub trait Blamed {
    /// Who has to change something.
    fn blame(&self) -> Blame;
}

/// Why there is no plan. `E` is why a plugin could not be run.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PlanError<E> {
    /// The strategy is broken, or reached a limit.
    #[error(transparent)]
    Plugin(E),
    /// The strategy refused, for a reason of its own.
    #[error("{failure}")]
    Refused {
        /// Which strategy.
        strategy: PluginId,
        /// Why.
        failure: Box<Failure>,
    },
    /// The strategy's answer is not what the contract says.
    #[error("plugin {:?}: the plugin's answer is not valid: {problem}", format!("{} {}", strategy.name, strategy.version))]
    Answer {
        /// Which strategy.
        strategy: PluginId,
        /// What is wrong with it.
        problem: String,
    },
    /// The plan breaks a guard rail.
    #[error("the plan of {author} is refused: {violation}")]
    GuardRail {
        /// The plugin that planned it, or changed it so: for example `strategy "mine"`.
        author: String,
        /// What no plan may do.
        violation: Violation,
    },
    /// Policies deny it.
    #[error("{}", denial(plan))]
    Denied {
        /// The plan as it was when they did, with all reviews.
        plan: Box<DebugPlan>,
    },
    /// Policies do not come to a plan that all of them allow.
    #[error("{}", indecision(policies))]
    Undecided {
        /// Who changes what.
        policies: Vec<String>,
        /// The plan as it was last, with all reviews.
        plan: Box<DebugPlan>,
    },
}

impl<E> PlanError<E> {
    /// The plan that policies did not let pass, with their reviews.
    pub fn reviewed(&self) -> Option<&DebugPlan> {
        match self {
            Self::Denied { plan } | Self::Undecided { plan, .. } => Some(plan),
            _ => None,
        }
    }
}

impl<E: Blamed> PlanError<E> {
    /// Who has to change something.
    pub fn blame(&self) -> Blame {
        match self {
            Self::Plugin(error) => error.blame(),
            Self::Refused { .. } | Self::Denied { .. } => Blame::User,
            Self::Answer { .. } | Self::GuardRail { .. } | Self::Undecided { .. } => Blame::Plugin,
        }
    }
}

fn denial(plan: &DebugPlan) -> String {
    let names: Vec<String> = plan.denials().map(|review| review.policy.clone()).collect();
    match names.as_slice() {
        [one] => format!("policy {one:?} denies this"),
        names => format!("the policies {} deny this", quoted(names)),
    }
}

fn indecision(policies: &[String]) -> String {
    match policies {
        [one] => format!("policy {one:?} changes the plan every time it reviews it"),
        several => format!("the policies {} undo each other's changes", quoted(several)),
    }
}

pub(super) fn quoted(names: &[String]) -> String {
    trocar_sdk::names::list(names.iter().map(String::as_str))
}
