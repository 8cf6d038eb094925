//! A scene for the targets that plan: a pod, and plugins that answer what they are told to.

use serde_json::json;
use trocar_core::{
    plan::{DebugPlan, Mode, PluginId},
    planning::{self, Author, Decision, Documents, Guests, PlanInputs, Proposal},
    policy::Reviewer,
    target::Target,
};
use trocar_sdk::{Actor, Context, DebugOptions, Failure};

/// Plugins with fixed answers: the strategy's, and what a policy answers when it is asked first.
pub struct Answers {
    pub proposal: Proposal,
    pub decision: Option<Decision>,
}

impl Guests for Answers {
    type Error = String;

    fn propose(&mut self, _: &Documents<'_>) -> Result<Result<Proposal, Failure>, String> {
        Ok(Ok(self.proposal.clone()))
    }

    fn evaluate(&mut self, _: usize, _: &str, _: &Documents<'_>) -> Result<Decision, String> {
        let allow = Decision {
            verdict: trocar_sdk::policy::Verdict::Allow,
            changes: Vec::new(),
            diagnostics: Vec::new(),
        };
        Ok(self.decision.take().unwrap_or(allow))
    }
}

/// Plans for a pod with these plugins. What comes out is in normal form: planning it again gives the same.
pub fn plan(mut answers: Answers) -> Option<DebugPlan> {
    let pod = json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": "web-0", "namespace": "shop", "uid": "u-1", "labels": {"app": "web"}},
        "spec": {"nodeName": "n1", "containers": [{"name": "app", "image": "web:1", "env": [{"name": "A", "value": "1"}]}]},
    });
    let id = PluginId {
        name: "mine".into(),
        version: "1".into(),
        digest: "sha256:0".into(),
        signers: Vec::new(),
    };
    let reviewers = [Reviewer {
        name: "rule".into(),
        plugin: id.clone(),
        is_default: false,
        mode: Mode::Enforce,
    }];
    let inputs = PlanInputs {
        target: &Target::new(pod, "shop").expect("the pod of the scene is one"),
        options: &DebugOptions::default(),
        context: &Context {
            namespace: "shop".into(),
            suffix: "abcde".into(),
            time: "2026-01-01T00:00:00Z".into(),
        },
        actor: &Actor::default(),
        strategy: &Author { id, is_default: false },
        reviewers: &reviewers,
        time_to_live: None,
    };
    let draft = planning::draft(&inputs, &mut answers).ok()?;
    let steps = draft.plan().steps().iter();
    let again = Answers {
        proposal: Proposal {
            steps: steps.map(|step| (step.action().to_owned(), step.object().to_string())).collect(),
            attach: draft.plan().attach().map(str::to_owned),
            diagnostics: Vec::new(),
        },
        decision: None,
    };
    let mut again = again;
    let second = planning::draft(&inputs, &mut again).expect("a plan in normal form is taken as it is");
    assert_eq!(second.plan().steps(), draft.plan().steps());
    Some(draft.plan().clone())
}
