//! What another program planned is judged: a container, a pod or a session that reaches a cluster.
//!
//! The policies see a plan of one step by the strategy `external`. The guard rails are not asked: they bind plans of
//! strategies, and nothing is carried out here. What comes of it is never an [`Approved`](super::Approved) plan.

use serde_json::Value;
use trocar_sdk::{Actor, Context, DebugOptions, Object, Pod, pod::text};

use super::{Documents, Guests, reviewed_by};
use crate::{
    kubernetes::{Received, Refused},
    plan::{Connection, ConnectionKind, DebugPlan, PluginId, Step},
    policy::{Outcome, Reviewer},
    target::Target,
};

/// The name of the strategy that stands for all other programs.
pub const EXTERNAL: &str = "external";

/// What another program plans, as it reached the cluster.
#[derive(Clone, Debug, PartialEq)]
pub struct Submitted(What);

#[derive(Clone, Debug, PartialEq)]
enum What {
    Step { received: Received, step: Step },
    Connection(Connection),
}

/// What of the options of a session says what it is.
const OF_SESSION: [&str; 6] = ["command", "container", "stderr", "stdin", "stdout", "tty"];

impl Submitted {
    /// Takes an ephemeral container that is added to a pod.
    ///
    /// # Errors
    /// Fails at the first thing that the API does not know or take.
    pub fn container(container: &Object) -> Result<Self, Refused> {
        let received = Received::container(container.clone())?;
        let step = Step::AddEphemeralContainer(received.object.clone());
        Ok(Self(What::Step { received, step }))
    }

    /// Takes a pod that is created. Whose it says that it is, is left out: that can be forged.
    ///
    /// # Errors
    /// Fails at the first thing that the API does not know or take.
    pub fn pod(pod: &Object) -> Result<Self, Refused> {
        let mut pod = pod.clone();
        if let Some(metadata) = pod.get_mut("metadata").and_then(Value::as_object_mut) {
            metadata.remove("ownerReferences");
            metadata.remove("finalizers");
        }
        let received = Received::pod(pod)?;
        let step = Step::CreatePod(Pod(received.object.clone()));
        Ok(Self(What::Step { received, step }))
    }

    /// Takes a session with a container that runs already.
    pub fn connection(kind: ConnectionKind, options: &Object) -> Self {
        let known = options.iter();
        let known = known.filter(|(field, _)| OF_SESSION.contains(&field.as_str()));
        let options = known
            .map(|(field, value)| (field.clone(), value.clone()))
            .collect();
        Self(What::Connection(Connection { kind, options }))
    }

    /// The step; none of a session.
    pub fn step(&self) -> Option<&Step> {
        match &self.0 {
            What::Step { step, .. } => Some(step),
            What::Connection(_) => None,
        }
    }

    /// The action, where only policies that declare it are asked.
    pub fn declared_action(&self) -> Option<&'static str> {
        match &self.0 {
            What::Step { .. } => None,
            What::Connection(connection) => Some(connection.kind.action()),
        }
    }

    /// The object to store instead of what was submitted, where the policies changed it.
    pub fn changed_to(&self, plan: &DebugPlan) -> Option<Object> {
        let What::Step {
            received,
            step: before,
        } = &self.0
        else {
            return None;
        };
        let step = plan.steps().first().filter(|step| *step != before)?;
        match step.object() {
            Value::Object(object) => Some(received.restored(&object)),
            _ => None,
        }
    }

    /// What of it a plan holds: steps, a session, and the container that a session would be with.
    fn parts(&self) -> (Vec<Step>, Option<Connection>, Option<String>) {
        match &self.0 {
            What::Connection(connection) => (Vec::new(), Some(connection.clone()), None),
            What::Step { step, .. } => {
                let attach = match step {
                    Step::AddEphemeralContainer(container) => text(container, "name").map(str::to_owned),
                    Step::CreatePod(_) | Step::DeletePod(_) => None,
                };
                (vec![step.clone()], None, attach)
            }
        }
    }
}

/// The policies that judge a submission, its target, and the user who submitted it.
#[derive(Clone, Copy, Debug)]
pub struct SubmittedInputs<'a> {
    /// What is debugged.
    pub target: &'a Target,
    /// Time and namespace, as data.
    pub context: &'a Context,
    /// Who asks, and why.
    pub actor: &'a Actor,
    /// The policies that review it, in the order in which they are asked.
    pub reviewers: &'a [Reviewer],
}

/// Lets the policies review what was submitted. The plan holds what they said and changed.
pub fn judge_submitted<G: Guests>(
    submitted: &Submitted,
    inputs: &SubmittedInputs<'_>,
    guests: &mut G,
) -> (DebugPlan, Outcome) {
    let options = DebugOptions::default();
    let strategy = PluginId {
        name: EXTERNAL.into(),
        version: String::new(),
        digest: String::new(),
        signers: Vec::new(),
    };
    let (steps, connection, attach) = submitted.parts();
    let mut plan = DebugPlan::submitted(strategy, steps, connection, attach, inputs.target);
    let mut outcome = Outcome::Allowed;
    if !inputs.reviewers.is_empty() {
        let documents = Documents::new(inputs.target, &options, inputs.actor, inputs.context);
        let inputs = super::PlanInputs {
            target: inputs.target,
            options: &options,
            context: inputs.context,
            actor: inputs.actor,
            strategy: &super::Author {
                id: plan.strategy().clone(),
                is_default: false,
            },
            reviewers: inputs.reviewers,
            time_to_live: None,
        };
        outcome = reviewed_by(guests, &mut plan, &inputs, &documents);
    }
    plan.finish(inputs.target, &options, &[]);
    (plan, outcome)
}
