//! A container that joins the processes of another one: whether that runs, will run again, or never will. Pure.

use serde_json::Value;
use trocar_core::text::plain;

use super::progress::{Hopeless, HopelessKind, status_of, text};

/// How the state of a container begins that is waited for. The name of a container comes next.
pub(super) const NOT_RUNNING: &str = "container \"";

/// Whether a target container can be joined.
pub(super) enum TargetState {
    /// It runs.
    Runs,
    /// It does not run now; why, and when it will.
    Later(String),
    /// It has ended and is not started again.
    Never(String),
}

/// The container whose processes an ephemeral container joins.
pub(super) fn joined<'a>(pod: &'a Value, container: &str) -> Option<&'a str> {
    let containers = pod["spec"]["ephemeralContainers"].as_array()?;
    let found = containers.iter().find(|found| found["name"] == container)?;
    found["targetContainerName"]
        .as_str()
        .filter(|target| !target.is_empty())
}

/// Says why nothing ever joins a container's processes: worth knowing before anything is written.
pub fn never_joins(pod: &Value, target: &str) -> Option<Hopeless> {
    match target_state(pod, target) {
        TargetState::Never(why) => Some(Hopeless::at_once(why, HopelessKind::TargetEnded)),
        _ => None,
    }
}

pub(super) fn target_state(pod: &Value, target: &str) -> TargetState {
    let Some(status) = status_of(pod, target) else {
        return later(target, &before(pod, target));
    };
    let state = &status["state"];
    if state["running"].is_object() {
        return TargetState::Runs;
    }
    if state["terminated"].is_object() {
        let code = state["terminated"]["exitCode"].as_i64().unwrap_or_default();
        return match is_started_again(pod, target, code) {
            true => later(target, &format!("it has ended with exit code {code}")),
            false => TargetState::Never(format!(
                "{NOT_RUNNING}{}\" has ended with exit code {code}, and is not started again",
                plain(target)
            )),
        };
    }
    match text(&state["waiting"], "reason") {
        "CrashLoopBackOff" => later(target, &back_off(text(&state["waiting"], "message"))),
        "" | "PodInitializing" | "ContainerCreating" => later(target, &before(pod, target)),
        reason => later(target, &plain(reason)),
    }
}

fn later(target: &str, why: &str) -> TargetState {
    TargetState::Later(format!("{NOT_RUNNING}{}\" is not running ({why})", plain(target)))
}

/// Of `back-off 20s restarting failed container=app pod=…` the time.
fn back_off(message: &str) -> String {
    let time = message
        .strip_prefix("back-off ")
        .and_then(|rest| rest.split(' ').next());
    let is_time = |time: &&str| time.len() <= 12 && time.bytes().all(|byte| byte.is_ascii_alphanumeric());
    match time.filter(is_time) {
        Some(time) => format!("CrashLoopBackOff, started again within {time}"),
        None => "CrashLoopBackOff".to_owned(),
    }
}

/// What comes before a container that has not started yet.
fn before(pod: &Value, target: &str) -> String {
    let inits = pod["spec"]["initContainers"].as_array();
    let first = inits
        .into_iter()
        .flatten()
        .filter_map(|init| Some((init, init["name"].as_str()?)))
        .take_while(|(_, name)| *name != target)
        .find(|(init, name)| !is_past(init, status_of(pod, name)));
    match first {
        Some((_, name)) => format!("init container {name:?} comes first", name = plain(name)),
        None => "it has not started yet".to_owned(),
    }
}

/// Says whether the containers after an init container may start.
fn is_past(init: &Value, status: Option<&Value>) -> bool {
    let Some(status) = status else { return false };
    match init["restartPolicy"] == "Always" {
        // A sidecar lets the next container start once its startup probe has passed.
        true => status["started"] == true,
        // Any other init container has to succeed first.
        false => status["state"]["terminated"]["exitCode"] == 0,
    }
}

/// Says whether a container that ended so is started again: by its own policy, else by the pod's.
fn is_started_again(pod: &Value, target: &str, code: i64) -> bool {
    let named = |list: &str| {
        let containers = pod["spec"][list].as_array()?;
        containers.iter().find(|container| container["name"] == target)
    };
    let is_init = named("initContainers").is_some();
    let own = named("containers").or_else(|| named("initContainers"));
    let own = own.map_or("", |container| text(container, "restartPolicy"));
    let has_rules = own != "Always" && {
        let rules = named("containers").map(|container| &container["restartPolicyRules"]);
        rules.is_some_and(Value::is_array)
    };
    let policy = if own.is_empty() {
        text(&pod["spec"], "restartPolicy")
    } else {
        own
    };
    match policy {
        // Which exit codes start it again is for the kubelet to say.
        "Never" => has_rules,
        "OnFailure" => code != 0,
        // An init container that has done its work is done.
        _ => !is_init || own == "Always" || code != 0,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn which_containers_are_started_again() {
        for (container, pod_policy, code, wanted) in [
            (json!({"name": "app"}), "Always", 0, true),
            (json!({"name": "app"}), "OnFailure", 0, false),
            (json!({"name": "app"}), "OnFailure", 1, true),
            (json!({"name": "app"}), "Never", 1, false),
            (
                json!({"name": "app", "restartPolicy": "Always"}),
                "Never",
                0,
                true,
            ),
            (
                json!({"name": "app", "restartPolicy": "Never", "restartPolicyRules": []}),
                "Always",
                3,
                true,
            ),
        ] {
            let pod = json!({"spec": {"restartPolicy": pod_policy, "containers": [container]}});
            assert_eq!(is_started_again(&pod, "app", code), wanted, "{pod} {code}");
        }
        let pod = json!({"spec": {"initContainers": [{"name": "setup"}, {"name": "mesh", "restartPolicy": "Always"}]}});
        assert!(!is_started_again(&pod, "setup", 0));
        assert!(is_started_again(&pod, "setup", 1));
        assert!(is_started_again(&pod, "mesh", 0));
    }

    #[test]
    fn the_text_of_a_kubelet_is_no_part_of_ours_unless_it_is_a_time() {
        assert_eq!(
            back_off("back-off 2m40s restarting failed"),
            "CrashLoopBackOff, started again within 2m40s"
        );
        assert_eq!(back_off("back-off \u{1b}[2K restarting"), "CrashLoopBackOff");
        assert_eq!(back_off(""), "CrashLoopBackOff");
    }
}
