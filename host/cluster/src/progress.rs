//! Reading a pod's status: how far is a container, and can it still start? Pure. Of a container whose processes are joined
//! more is in `joined.rs`, of a pod without a node in `scheduling.rs`.
//!
//! Source: the waiting reasons of the kubelet, and what `kubectl debug` waits for.

use std::time::Duration;

use jiff::Timestamp;
use serde_json::Value;

use trocar_core::text::message as harmless;

use super::{
    joined::{TargetState, joined, never_joins, target_state},
    scheduling::{self, UNSCHEDULABLE},
};

/// How long a pull may fail before we give up: a registry's hiccup passes, a wrong name does not.
const PULL_GRACE: Duration = Duration::from_secs(4);

/// How long a failure may last that is known from an event alone: the status may know better soon.
const EVENT_GRACE: Duration = Duration::from_secs(1);

/// How far a container is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Progress {
    /// Not yet; what it waits for, as far as anything says so.
    Waiting(String),
    /// It runs.
    Running,
    /// It has ended.
    Ended {
        /// The program's exit code.
        code: i32,
        /// Why, where it is not the program's own doing, for example `OOMKilled`.
        reason: String,
    },
    /// It will not start.
    Hopeless(Hopeless),
}

/// Why a container will not start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hopeless {
    /// The reason, quoted from the cluster where the cluster gives one.
    pub reason: String,
    /// What kind of reason it is.
    pub kind: HopelessKind,
    /// For how long it must be so before we believe it.
    pub grace: Duration,
}

/// What keeps a container from starting, as far as it matters to what can be done about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum HopelessKind {
    /// The pod has finished, and nothing starts in it.
    PodFinished,
    /// The pod is being deleted.
    PodDeleted,
    /// The pod is a static pod, whose kubelet starts no ephemeral container.
    StaticPod,
    /// The image's name is not one.
    ImageName,
    /// The image is not on the node, and the pull policy forbids to pull it.
    ImageNeverPulled,
    /// The image cannot be pulled.
    Pull,
    /// The container needs what the pod does not have, or may not have.
    Config,
    /// The program cannot be started.
    Command,
    /// The program ends as soon as it starts.
    Crashes,
    /// The container whose processes are to be joined has ended for good.
    TargetEnded,
    /// No node takes the pod, and none will unless the pod or the nodes are changed.
    Unschedulable,
}

impl Hopeless {
    pub(crate) fn at_once(reason: impl Into<String>, kind: HopelessKind) -> Self {
        Self {
            reason: reason.into(),
            kind,
            grace: Duration::ZERO,
        }
    }

    fn now(reason: impl Into<String>, kind: HopelessKind) -> Progress {
        Progress::Hopeless(Self::at_once(reason, kind))
    }
}

/// Reads how far a container of a pod is.
pub fn progress(pod: &Value, container: &str) -> Progress {
    let status = status_of(pod, container);
    if let Some(ended) = status.and_then(ended) {
        return ended;
    }
    if status.is_some_and(|status| status["state"]["running"].is_object()) {
        return Progress::Running;
    }
    // After the container's own state: in a pod that is being deleted, containers run until the grace period is over.
    if let Some(hopeless) = pod_is_hopeless(pod, container) {
        return hopeless;
    }
    let target = joined(pod, container);
    match (status.map(|status| &status["state"]["waiting"]), target) {
        (Some(waiting), Some(target)) if waiting.is_object() && is_of_target(waiting) => {
            of_target(pod, target, Some(waiting))
        }
        (Some(waiting), _) if waiting.is_object() => waiting_progress(waiting),
        (_, Some(target)) if pod["spec"]["nodeName"].is_string() => of_target(pod, target, None),
        _ => of_node(pod),
    }
}

/// Says whether what a container waits for is trouble that a script is told of while it lasts: it may last for long.
pub fn is_trouble(state: &str) -> bool {
    let starts = [UNSCHEDULABLE, "SchedulingGated: ", super::joined::NOT_RUNNING];
    starts.into_iter().any(|start| state.starts_with(start))
}

/// Says whether a runtime refuses a container because that of which it joins the processes does not run.
fn is_of_target(waiting: &Value) -> bool {
    let reason = text(waiting, "reason");
    let is_refusal = matches!(
        reason,
        "CreateContainerError" | "CreateContainerConfigError" | "RunContainerError"
    );
    is_refusal && names_target(text(waiting, "message"))
}

/// Source: `unable to find target container` of the kubelet, `invalid target container` of containerd.
fn names_target(message: &str) -> bool {
    message.contains("target container")
}

/// How far a container is that joins another one's processes, before it runs.
fn of_target(pod: &Value, target: &str, waiting: Option<&Value>) -> Progress {
    match target_state(pod, target) {
        TargetState::Later(why) => Progress::Waiting(why),
        TargetState::Never(_) => match never_joins(pod, target) {
            Some(hopeless) => Progress::Hopeless(hopeless),
            None => of_node(pod),
        },
        // The status of the target lags: it runs, or did a moment ago.
        TargetState::Runs => match waiting {
            Some(waiting) => Progress::Waiting(said(text(waiting, "reason"), text(waiting, "message"))),
            None => of_node(pod),
        },
    }
}

/// Which instance of a container has ended, and whether another one has taken its place.
pub(super) fn ended_instance(pod: &Value, container: &str) -> Option<Instance> {
    let status = status_of(pod, container)?;
    let instance = |state: &Value, was_restarted: bool| {
        let terminated = &state["terminated"];
        Some(Instance {
            id: terminated["containerID"].as_str()?.to_owned(),
            finished: terminated["finishedAt"]
                .as_str()
                .and_then(|time| time.parse().ok()),
            was_restarted,
        })
    };
    instance(&status["state"], false).or_else(|| instance(&status["lastState"], true))
}

/// An instance of a container that has ended.
#[derive(Debug, Default)]
pub(super) struct Instance {
    pub(super) id: String,
    /// When, in whole seconds of the node's clock.
    pub(super) finished: Option<Timestamp>,
    /// Another instance has taken its place.
    pub(super) was_restarted: bool,
}

impl Instance {
    /// Returns whether a log, which is read with time stamps, may be this instance's: what it has was written before the
    /// instance ended. That the status names the instance does not say it: a kubelet is ahead of its status.
    pub(super) fn may_have_written(&self, log: &[u8]) -> bool {
        let stamp = log.split(|byte| *byte == b' ').next().unwrap_or_default();
        let written = std::str::from_utf8(stamp)
            .ok()
            .and_then(|stamp| stamp.parse::<Timestamp>().ok());
        let both = written.zip(self.finished);
        // `finishedAt` has whole seconds: a line of the same second may be of either instance.
        both.is_none_or(|(written, finished)| written.as_second() <= finished.as_second())
    }
}

/// Whether the log of an instance that has ended is the container's present one, or that of the one before; none if neither.
/// An instance without a name is the present one.
pub(super) fn log_of(pod: &Value, container: &str, instance: &str) -> Option<bool> {
    if instance.is_empty() {
        return Some(false);
    }
    let status = status_of(pod, container)?;
    let is_it = |state: &str| status[state]["terminated"]["containerID"] == instance;
    let previous = is_it("lastState");
    (previous || is_it("state")).then_some(previous)
}

/// Says whether a container is started again when its program has ended.
pub(super) fn can_restart(pod: &Value, container: &str) -> bool {
    let is_ephemeral = pod["spec"]["ephemeralContainers"]
        .as_array()
        .is_some_and(|containers| containers.iter().any(|found| found["name"] == container));
    // An ephemeral container is never restarted, whatever the pod's policy is.
    !is_ephemeral && pod["spec"]["restartPolicy"] != "Never"
}

/// Returns true if the container was started before, as its status says.
pub(super) fn was_started(pod: &Value, container: &str) -> bool {
    let status = status_of(pod, container);
    status.is_some_and(|status| status["lastState"]["terminated"].is_object() || status["restartCount"] != 0)
}

pub(super) fn status_of<'a>(pod: &'a Value, container: &str) -> Option<&'a Value> {
    [
        "containerStatuses",
        "ephemeralContainerStatuses",
        "initContainerStatuses",
    ]
    .into_iter()
    .filter_map(|list| pod["status"][list].as_array())
    .flatten()
    .find(|status| status["name"] == container)
}

/// A container that was restarted has ended once, and that is the one that we were with.
fn ended(status: &Value) -> Option<Progress> {
    let now = &status["state"]["terminated"];
    let terminated = if now.is_object() {
        now
    } else {
        &status["lastState"]["terminated"]
    };
    let code = terminated["exitCode"].as_i64()?;
    let reason = text(terminated, "reason");
    let message = text(terminated, "message");
    // These never ran: what stands as an exit code is the container runtime's own.
    if matches!(
        reason,
        "ContainerCannotRun" | "StartError" | "ContainerStatusUnknown"
    ) {
        return Some(Hopeless::now(said(reason, message), HopelessKind::Command));
    }
    let own = matches!(reason, "Completed" | "Error" | "");
    Some(Progress::Ended {
        code: i32::try_from(code).unwrap_or(i32::MAX),
        reason: if own { String::new() } else { said(reason, message) },
    })
}

fn pod_is_hopeless(pod: &Value, container: &str) -> Option<Progress> {
    let is_ephemeral = pod["spec"]["ephemeralContainers"]
        .as_array()
        .is_some_and(|containers| containers.iter().any(|found| found["name"] == container));
    nothing_starts(pod, is_ephemeral).map(Progress::Hopeless)
}

/// Says why nothing starts in a pod any more, whatever it is: worth knowing before anything is written.
pub fn nothing_starts(pod: &Value, is_ephemeral: bool) -> Option<Hopeless> {
    let status = &pod["status"];
    let phase = text(status, "phase");
    if matches!(phase, "Succeeded" | "Failed") {
        let why = said(text(status, "reason"), text(status, "message"));
        let why = if why.is_empty() {
            String::new()
        } else {
            format!(" ({why})")
        };
        return Some(Hopeless::at_once(
            format!("the pod has finished: its phase is {phase}{why}"),
            HopelessKind::PodFinished,
        ));
    }
    if pod["metadata"]["deletionTimestamp"].is_string() {
        return Some(Hopeless::at_once(
            "the pod is being deleted",
            HopelessKind::PodDeleted,
        ));
    }
    // A mirror pod is the API server's copy of a file on the node; the kubelet starts what stands in the file.
    if is_ephemeral && pod["metadata"]["annotations"]["kubernetes.io/config.mirror"].is_string() {
        return Some(Hopeless::at_once(
            "the pod is a static pod: its kubelet never starts an ephemeral container in it",
            HopelessKind::StaticPod,
        ));
    }
    None
}

fn waiting_progress(waiting: &Value) -> Progress {
    let reason = text(waiting, "reason");
    let said = said(reason, text(waiting, "message"));
    match hopeless_state(reason, &said) {
        Some(hopeless) => Progress::Hopeless(hopeless),
        None => Progress::Waiting(said),
    }
}

/// Why a container waits that will not start.
fn hopeless_state(reason: &str, said: &str) -> Option<Hopeless> {
    Some(match reason {
        "InvalidImageName" => Hopeless::at_once(said, HopelessKind::ImageName),
        "ErrImageNeverPull" => Hopeless::at_once(said, HopelessKind::ImageNeverPulled),
        "CreateContainerConfigError" => Hopeless::at_once(said, HopelessKind::Config),
        "CreateContainerError" | "RunContainerError" => Hopeless::at_once(said, HopelessKind::Command),
        "ErrImagePull" | "ImagePullBackOff" | "RegistryUnavailable" | "SignatureValidationFailed" => {
            Hopeless {
                grace: PULL_GRACE,
                ..Hopeless::at_once(said, HopelessKind::Pull)
            }
        }
        "CrashLoopBackOff" => Hopeless::at_once(said, HopelessKind::Crashes),
        _ => return None,
    })
}

/// Why a container will not start, as far as an event about it tells.
///
/// Source: the events of the kubelet, `Failed` for all that keeps a container from starting.
pub(super) fn event_hopeless(reason: &str, message: &str) -> Option<Hopeless> {
    if reason != "Failed" {
        return None;
    }
    if message.starts_with("Failed to pull image") {
        return Some(Hopeless {
            grace: PULL_GRACE,
            ..Hopeless::at_once(message, HopelessKind::Pull)
        });
    }
    let error = message.strip_prefix("Error: ")?;
    if names_target(error) {
        return None;
    }
    let hopeless = hopeless_state(error, error).unwrap_or_else(|| {
        let is_command = ["exec", "no such file", "permission denied", "start"];
        let kind = if is_command.into_iter().any(|sign| error.contains(sign)) {
            HopelessKind::Command
        } else {
            HopelessKind::Config
        };
        Hopeless::at_once(error, kind)
    });
    Some(Hopeless {
        grace: hopeless.grace.max(EVENT_GRACE),
        ..hopeless
    })
}

/// How far a container is that has no status yet: what the pod's conditions say.
fn of_node(pod: &Value) -> Progress {
    let conditions = pod["status"]["conditions"].as_array();
    let blocking = conditions.into_iter().flatten().find(|condition| {
        condition["status"] == "False"
            && matches!(
                text(condition, "type"),
                "PodScheduled" | "PodReadyToStartContainers"
            )
    });
    match blocking {
        Some(condition) if scheduling::is_for_good(condition) => Progress::Hopeless(Hopeless {
            grace: scheduling::GRACE,
            ..Hopeless::at_once(
                said(text(condition, "reason"), text(condition, "message")),
                HopelessKind::Unschedulable,
            )
        }),
        Some(condition) if !text(condition, "message").is_empty() => {
            Progress::Waiting(said(text(condition, "reason"), text(condition, "message")))
        }
        _ if pod["spec"]["nodeName"].is_string() => {
            Progress::Waiting("the kubelet has not started it yet".into())
        }
        _ => Progress::Waiting("no node yet".into()),
    }
}

pub(super) fn said(reason: &str, message: &str) -> String {
    match (reason, message) {
        (reason, "") => harmless(reason),
        ("", message) => harmless(message),
        (reason, message) => format!("{}: {}", harmless(reason), harmless(message)),
    }
}

pub(super) fn text<'a>(object: &'a Value, field: &str) -> &'a str {
    object[field].as_str().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn of(state: Value) -> Progress {
        let pod = json!({"spec": {"nodeName": "n"}, "status": {"ephemeralContainerStatuses": [{"name": "dbg", "state": state}]}});
        progress(&pod, "dbg")
    }

    fn reason(progress: Progress) -> (String, u64) {
        match progress {
            Progress::Hopeless(hopeless) => (hopeless.reason, hopeless.grace.as_secs()),
            other => panic!("there is hope: {other:?}"),
        }
    }

    #[test]
    fn the_states_of_a_container() {
        assert_eq!(of(json!({"running": {}})), Progress::Running);
        let ended = |code, reason: &str| Progress::Ended {
            code,
            reason: reason.into(),
        };
        assert_eq!(
            of(json!({"terminated": {"exitCode": 3, "reason": "Error"}})),
            ended(3, "")
        );
        assert_eq!(
            of(json!({"terminated": {"exitCode": 137, "reason": "OOMKilled"}})),
            ended(137, "OOMKilled")
        );
        assert_eq!(
            of(json!({"waiting": {"reason": "ContainerCreating"}})),
            Progress::Waiting("ContainerCreating".into())
        );
        let pod = json!({"status": {"conditions": [{"type": "PodScheduled", "status": "False",
            "reason": "Unschedulable", "message": "0/1 nodes are available"}]}});
        assert_eq!(
            progress(&pod, "dbg"),
            Progress::Waiting("Unschedulable: 0/1 nodes are available".into())
        );
    }

    #[test]
    fn a_container_that_was_restarted_has_ended() {
        let pod = json!({"status": {"containerStatuses": [{"name": "app", "state": {"running": {}},
            "lastState": {"terminated": {"exitCode": 7}}}]}});
        assert!(matches!(progress(&pod, "app"), Progress::Ended { code: 7, .. }));
    }

    fn crashing(state: Value, restart_policy: &str) -> Value {
        let refused = "failed to generate container: invalid target container: container is not running - in state CONTAINER_EXITED";
        json!({
            "spec": {"nodeName": "n", "restartPolicy": restart_policy, "containers": [{"name": "app"}],
                "ephemeralContainers": [{"name": "dbg", "targetContainerName": "app"}]},
            "status": {"phase": "Running",
                "containerStatuses": [{"name": "app", "state": state}],
                "ephemeralContainerStatuses": [{"name": "dbg", "state": {"waiting":
                    {"reason": "CreateContainerError", "message": refused}}}]},
        })
    }

    #[test]
    fn a_target_that_crashes_is_waited_for_until_it_runs_again() {
        let waiting = json!({"waiting": {"reason": "CrashLoopBackOff",
            "message": "back-off 20s restarting failed container=app pod=x"}});
        let told = "container \"app\" is not running (CrashLoopBackOff, started again within 20s)";
        assert_eq!(
            progress(&crashing(waiting, "Always"), "dbg"),
            Progress::Waiting(told.into())
        );
        let ended = json!({"terminated": {"exitCode": 1}});
        assert!(matches!(
            progress(&crashing(ended.clone(), "OnFailure"), "dbg"),
            Progress::Waiting(_)
        ));
        // What the runtime says may be older than the target's status.
        assert!(matches!(
            progress(&crashing(json!({"running": {}}), "Always"), "dbg"),
            Progress::Waiting(_)
        ));
        let said = reason(progress(&crashing(ended, "Never"), "dbg"));
        assert_eq!(
            said,
            (
                "container \"app\" has ended with exit code 1, and is not started again".into(),
                0
            )
        );
    }

    #[test]
    fn a_target_behind_init_containers_is_waited_for() {
        let pod = json!({
            "spec": {"nodeName": "n", "initContainers": [{"name": "setup"}, {"name": "bootstrap"}],
                "containers": [{"name": "app"}], "ephemeralContainers": [{"name": "dbg", "targetContainerName": "app"}]},
            "status": {"phase": "Pending", "initContainerStatuses": [
                {"name": "setup", "state": {"terminated": {"exitCode": 0}}}, {"name": "bootstrap", "state": {"running": {}}}],
                "containerStatuses": [{"name": "app", "state": {"waiting": {"reason": "PodInitializing"}}}]},
        });
        let told = "container \"app\" is not running (init container \"bootstrap\" comes first)";
        assert_eq!(progress(&pod, "dbg"), Progress::Waiting(told.into()));
        assert!(is_trouble(told) && !is_trouble("ContainerCreating"));
    }

    #[test]
    fn what_else_is_wrong_with_a_container_that_joins_another_is_hopeless_as_ever() {
        let mut pod = crashing(json!({"running": {}}), "Always");
        pod["status"]["ephemeralContainerStatuses"][0]["state"]["waiting"]["message"] = "no such file".into();
        assert_eq!(
            reason(progress(&pod, "dbg")).0,
            "CreateContainerError: no such file"
        );
    }

    #[test]
    fn an_event_about_the_target_is_no_reason_to_give_up() {
        for message in [
            "Error: failed to generate container: invalid target container: it is not running",
            "Error: unable to find target container app",
        ] {
            assert_eq!(event_hopeless("Failed", message), None, "{message}");
        }
    }

    #[test]
    fn events_tell_sooner() {
        let of =
            |message: &str| event_hopeless("Failed", message).map(|hopeless| (hopeless.kind, hopeless.grace));
        for (message, wanted) in [
            (
                "Failed to pull image \"x\": not found",
                (HopelessKind::Pull, PULL_GRACE),
            ),
            ("Error: InvalidImageName", (HopelessKind::ImageName, EVENT_GRACE)),
            (
                "Error: container has runAsNonRoot and image will run as root",
                (HopelessKind::Config, EVENT_GRACE),
            ),
            (
                "Error: failed to create containerd task: exec: \"x\"",
                (HopelessKind::Command, EVENT_GRACE),
            ),
        ] {
            assert_eq!(of(message), Some(wanted), "{message}");
        }
        assert!(event_hopeless("BackOff", "Back-off pulling image").is_none());
    }

    #[test]
    fn what_cannot_heal_is_told_from_what_may() {
        let waiting = |why: &str| reason(of(json!({"waiting": {"reason": why, "message": "said"}})));
        assert_eq!(waiting("InvalidImageName"), ("InvalidImageName: said".into(), 0));
        assert_eq!(waiting("CreateContainerConfigError").1, 0);
        assert!(waiting("ImagePullBackOff").1 > 0);
        let start =
            of(json!({"terminated": {"exitCode": 128, "reason": "StartError", "message": "no such file"}}));
        assert_eq!(reason(start).0, "StartError: no such file");
        let of_pod = |pod: Value| reason(progress(&pod, "dbg")).0;
        assert!(of_pod(json!({"status": {"phase": "Succeeded"}})).contains("Succeeded"));
        assert!(of_pod(json!({"metadata": {"deletionTimestamp": "now"}})).contains("being deleted"));
        let mirror = json!({"metadata": {"annotations": {"kubernetes.io/config.mirror": "x"}},
            "spec": {"ephemeralContainers": [{"name": "dbg"}]}});
        assert!(of_pod(mirror).contains("static pod"));
    }
}
