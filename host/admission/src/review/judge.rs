//! What of a request is judged, and the policies' word on each part of it.

use std::{collections::HashMap, sync::Arc, time::Instant};

use serde_json::{Map, Value, json};
use trocar::{
    Actor, Context, Engine, PolicyRule, Submitted, SubmittedRequest, Target,
    capability::ClusterReader,
    config::AdmissionEntry,
    plan::Mode,
    policy::{Outcome, Subject},
    reason_in,
    target::{TargetError, TargetKind},
};

use super::{
    pods::{self, Bound},
    request::{Request, Requested},
    sessions,
    verdict::{Found, Verdict, heavier},
};

/// Which of the two webhooks asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Webhook {
    /// What the policies change is changed. What they deny passes: the other webhook denies it, and writes it down.
    Mutate,
    /// What the policies deny or would change is denied: it comes last, and sees what is stored.
    Validate,
}

impl Webhook {
    /// Its word, as in its path.
    pub fn word(self) -> &'static str {
        match self {
            Self::Mutate => "mutate",
            Self::Validate => "validate",
        }
    }
}

/// By what a request is judged.
#[derive(Clone, Copy)]
pub struct Door<'a> {
    /// Runs the policies.
    pub engine: &'a Engine,
    /// The policies, in the order in which they are asked.
    pub policies: &'a [PolicyRule],
    /// Which pods are judged.
    pub admission: &'a AdmissionEntry,
    /// What reads nodes, and for plugins that were granted it.
    pub reader: Option<&'a Arc<dyn ClusterReader>>,
    /// Which webhook asks.
    pub webhook: Webhook,
    /// The time, in RFC 3339.
    pub time: &'a str,
    /// When the verdict would come too late: containers that were not judged until then are not.
    pub until: Option<Instant>,
}

impl Door<'_> {
    fn is_late(&self) -> bool {
        self.until.is_some_and(|until| Instant::now() >= until)
    }

    /// The heaviest mode of all policies: that of what none of them could judge.
    fn heaviest(&self) -> Option<Mode> {
        heaviest(self.policies.iter().map(|rule| rule.mode))
    }
}

/// Judges a request. Blocks while plugins run, each within its time limit.
pub fn judge(request: &Request, door: &Door<'_>) -> Verdict {
    let mut verdict = Verdict::default();
    match &request.requested {
        Requested::EphemeralContainers { before, containers } => {
            judge_containers(request, before, containers, door, &mut verdict);
        }
        Requested::Pod(pod) => judge_pod(request, pod, door, &mut verdict),
        Requested::Connection { kind, pod, options } if door.admission.connect.contains(kind) => {
            sessions::judge(request, *kind, pod, options, door, &mut verdict);
        }
        Requested::Connection { kind, .. } => {
            let problem = format!(
                "the configuration does not ask to judge {}, but the webhook's rules do",
                kind.action()
            );
            verdict.not_judged(door.heaviest(), &problem);
        }
        Requested::Other(what) => {
            let problem = format!("{what} is not known to this webhook: its rules match too much");
            verdict.not_judged(door.heaviest(), &problem);
        }
    }
    verdict.conclude(door.webhook);
    verdict
}

pub(super) fn heaviest(modes: impl Iterator<Item = Mode>) -> Option<Mode> {
    modes.fold(None, |heaviest, mode| heavier(heaviest, Some(mode)))
}

fn name_of(container: &Value) -> &str {
    container["name"].as_str().unwrap_or_default()
}

/// Judges each container that is added, against the pod as it is stored and those before it.
fn judge_containers(
    request: &Request,
    before: &Result<Target, TargetError>,
    containers: &[Value],
    door: &Door<'_>,
    verdict: &mut Verdict,
) {
    let before = match before {
        Ok(before) => before,
        Err(error) => return malformed(error, door, verdict),
    };
    // The stored pod. Labels in the request are the client's: with other ones it could evade policies that match by labels.
    let mut pod = before.clone();
    let known = before.object().get("spec");
    let known = known.and_then(|spec| spec["ephemeralContainers"].as_array());
    let known = known.into_iter().flatten();
    let mut known: HashMap<&str, &Value> = known.map(|container| (name_of(container), container)).collect();
    for (index, container) in containers.iter().enumerate() {
        let name = name_of(container);
        // Removed, so that the second of two containers of one name is judged as a new one.
        if let Some(same) = known.remove(name) {
            if same != container {
                verdict.denials.push(format!(
                    "the ephemeral container {name:?} is there already, and cannot be changed"
                ));
                verdict.find(Found::Denied);
            }
            continue;
        }
        // Checked for each container: a request with thousands of them was answered in time, but held its turn for minutes.
        if door.is_late() {
            return verdict.not_judged(door.heaviest(), "it adds more than can be judged in time");
        }
        let changed = judge_container(request, &pod, container, door, verdict);
        if let Some(changed) = &changed {
            let path = format!("/spec/ephemeralContainers/{index}");
            verdict
                .patch
                .push(json!({"op": "replace", "path": path, "value": changed}));
        }
        // One by one, each with those before it: a limit of containers counts them. After the last one a copy of the pod is not
        // needed.
        if index + 1 < containers.len() {
            pod = match with(&pod, changed.as_ref().unwrap_or(container), &request.namespace) {
                Ok(pod) => pod,
                Err(error) => return malformed(&error, door, verdict),
            };
        }
    }
    // Sorted, since a map has no order and the message must be the same each time.
    let mut gone: Vec<&str> = known.into_keys().collect();
    gone.sort_unstable();
    for name in gone {
        verdict
            .denials
            .push(format!("the ephemeral container {name:?} cannot be removed"));
        verdict.find(Found::Denied);
    }
}

fn malformed(error: &TargetError, door: &Door<'_>, verdict: &mut Verdict) {
    verdict.not_judged(
        door.heaviest(),
        &format!("the pod is not one as it is stored: {error}"),
    );
}

/// The pod with a container more.
fn with(pod: &Target, container: &Value, namespace: &str) -> Result<Target, TargetError> {
    let mut pod = pod.object().clone();
    if let Some(spec) = pod.get_mut("spec").and_then(Value::as_object_mut) {
        match spec.entry("ephemeralContainers").or_insert(Value::Null) {
            Value::Array(containers) => containers.push(container.clone()),
            other => *other = json!([container]),
        }
    }
    Target::new(Value::Object(pod), namespace)
}

/// Judges one container. Returns what it is changed to, where it is.
fn judge_container(
    request: &Request,
    target: &Target,
    container: &Value,
    door: &Door<'_>,
    verdict: &mut Verdict,
) -> Option<Value> {
    let empty = Map::new();
    let container = container.as_object().unwrap_or(&empty);
    let actor = Actor {
        reason: reason_in(container),
        ..request.actor.clone()
    };
    let subject = Subject {
        // A rule for the built-in strategy holds for the same step of any other tool.
        strategies: &["ephemeral", trocar::EXTERNAL],
        kinds: &[TargetKind::Pod],
        target: Some(target),
        namespace: &request.namespace,
        actor: &actor,
    };
    let submitted = match Submitted::container(container) {
        Ok(submitted) => submitted,
        Err(refused) => {
            let problem = format!("the container cannot be judged: {refused}");
            verdict.not_judged(weight(door, &subject), &problem);
            return None;
        }
    };
    ask(request, door, &submitted, target, subject, verdict).map(Value::Object)
}

fn judge_pod(request: &Request, pod: &Map<String, Value>, door: &Door<'_>, verdict: &mut Verdict) {
    if !pods::is_judged(pod, &request.actor, door.admission) {
        return;
    }
    let actor = Actor {
        reason: pods::reason(pod),
        ..request.actor.clone()
    };
    let (strategies, kinds): (&[&str], &[TargetKind]) = match pods::node(pod) {
        None => (&["copy", trocar::EXTERNAL], &[TargetKind::Pod]),
        // A copy can be put on its original's node, so it may be either.
        Some(_) => (
            &["node", "copy", trocar::EXTERNAL],
            &[TargetKind::Node, TargetKind::Pod],
        ),
    };
    let subject = |target| Subject {
        strategies,
        kinds,
        target,
        namespace: &request.namespace,
        actor: &actor,
    };
    let weight = weight(door, &subject(None));
    if weight.is_none() {
        // No policy is asked, so nothing has to be read.
        return verdict.find(Found::Allowed);
    }
    let bound = pods::bound(pod, &request.namespace, door.reader);
    let (target, subject) = match &bound {
        Bound::Node(node) => (node, subject(Some(node))),
        Bound::Nowhere(stand_in) => (stand_in, subject(None)),
        Bound::Unknown(problem) => return verdict.not_judged(weight, problem),
    };
    match Submitted::pod(pod) {
        Ok(submitted) => ask_of_pod(request, pod, &submitted, door, target, subject, verdict),
        Err(refused) => {
            let problem = format!("the pod cannot be judged: {refused}");
            verdict.not_judged(weight, &problem);
        }
    }
}

fn ask_of_pod(
    request: &Request,
    pod: &Map<String, Value>,
    submitted: &Submitted,
    door: &Door<'_>,
    target: &Target,
    subject: Subject<'_>,
    verdict: &mut Verdict,
) {
    if !pods::has_rights_enough(pod, submitted, door) {
        return;
    }
    let changed = ask(request, door, submitted, target, subject, verdict);
    let (Some(changed), Some(step)) = (changed, submitted.step()) else {
        return;
    };
    match pods::patch(pod, &changed, step) {
        Ok(patch) => verdict.patch.extend(patch),
        // As an enforcing policy, whatever its mode: the change is part of what the policies allowed, and it cannot be made.
        Err(problem) => verdict.not_judged(Some(Mode::Enforce), &problem),
    }
}

/// What weighs most of the policies that would be asked.
fn weight(door: &Door<'_>, subject: &Subject<'_>) -> Option<Mode> {
    let asked = door.policies.iter().filter(|rule| rule.matches.fits(subject));
    heaviest(asked.map(|rule| rule.mode))
}

/// Asks the policies about one container or pod. Returns what it is changed to, where it is.
pub(super) fn ask(
    request: &Request,
    door: &Door<'_>,
    submitted: &Submitted,
    target: &Target,
    subject: Subject<'_>,
    verdict: &mut Verdict,
) -> Option<Map<String, Value>> {
    let context = Context {
        namespace: request.namespace.clone(),
        // For names that a strategy makes. No strategy is asked here.
        suffix: String::new(),
        time: door.time.to_owned(),
    };
    let actor = subject.actor.clone();
    let review = door.engine.judge_submitted(&SubmittedRequest {
        submitted,
        target,
        subject,
        context: &context,
        actor: &actor,
        policies: door.policies,
        reader: door.reader,
    });
    verdict.took.extend(review.took);
    // An API server takes a patch from mutating webhooks only.
    let may_change = door.webhook == Webhook::Mutate;
    let changed = match review.outcome {
        Outcome::Allowed if may_change => submitted.changed_to(&review.plan),
        _ => None,
    };
    verdict.take(review.plan, &review.outcome, actor, may_change);
    changed
}
