//! Sessions with containers that run already: `exec` and `attach`. Only policies that declare them are asked.

use std::time::Duration;

use serde_json::{Map, Value};
use trocar::{
    PolicyRule, Submitted, Target, capability::ObjectRef, plan::ConnectionKind, policy::Subject,
    target::TargetKind,
};

use super::{
    judge::{Door, ask, heaviest},
    request::Request,
    verdict::{Found, Verdict},
};

/// How long a pod may take to be read.
const READING: Duration = Duration::from_secs(1);

/// Judges a session by the policies that declare its kind.
pub(super) fn judge(
    request: &Request,
    kind: ConnectionKind,
    pod: &str,
    options: &Map<String, Value>,
    door: &Door<'_>,
    verdict: &mut Verdict,
) {
    let action = Some(kind.action());
    let subject = |target| Subject {
        strategies: &[trocar::EXTERNAL],
        kinds: &[TargetKind::Pod],
        target,
        namespace: &request.namespace,
        actor: &request.actor,
    };
    let unknown = subject(None);
    // Without the target, whose labels are not known yet, every pattern fits: a pod is only read if some policy may need it.
    let may_be_asked = |rule: &&PolicyRule| rule.reviews(action) && rule.matches.fits(&unknown);
    let weight = heaviest(door.policies.iter().filter(may_be_asked).map(|rule| rule.mode));
    if weight.is_none() {
        // Nothing has to be read for it.
        return verdict.find(Found::Allowed);
    }
    let target = match read(request, pod, door) {
        Ok(target) => target,
        Err(problem) => {
            return verdict.not_judged(weight, &format!("pod {pod} cannot be read: {problem}"));
        }
    };
    if kind == ConnectionKind::Attach && is_ephemeral(&target, options) {
        // It was judged when it was added.
        return verdict.find(Found::Allowed);
    }
    let submitted = Submitted::connection(kind, options);
    ask(
        request,
        door,
        &submitted,
        &target,
        subject(Some(&target)),
        verdict,
    );
}

fn read(request: &Request, pod: &str, door: &Door<'_>) -> Result<Target, String> {
    let reader = door.reader.ok_or("this server has no access to the API")?;
    let object = ObjectRef {
        api_version: "v1".into(),
        kind: "Pod".into(),
        namespace: Some(request.namespace.clone()),
        name: pod.to_owned(),
    };
    let read = reader.get(&object, READING).map_err(|error| error.to_string())?;
    Target::new(read, &request.namespace).map_err(|error| error.to_string())
}

fn is_ephemeral(target: &Target, options: &Map<String, Value>) -> bool {
    let container = options.get("container").and_then(Value::as_str);
    let spec = target.object().get("spec");
    let ephemeral = spec.and_then(|spec| spec["ephemeralContainers"].as_array());
    let mut names = ephemeral
        .into_iter()
        .flatten()
        .map(|container| container["name"].as_str());
    container.is_some_and(|container| names.any(|name| name == Some(container)))
}
