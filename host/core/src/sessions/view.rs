//! The state of a session's container, and the session's name.

use std::{fmt, str::FromStr};

use super::{
    Session, State,
    pods::{ContainerState, ContainerStatus, Pod},
};

/// How a session is named: `pod/web-0:debugger-abc12`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Name {
    /// The pod.
    pub pod: String,
    /// The container, where it is known which.
    pub container: Option<String>,
}

impl Session {
    /// Its name, as [`Name`] reads it.
    pub fn name(&self) -> Name {
        Name {
            pod: self.pod.clone(),
            container: self.container.clone(),
        }
    }
}

impl fmt::Display for Name {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "pod/{}", self.pod)?;
        match &self.container {
            Some(container) => write!(out, ":{container}"),
            None => Ok(()),
        }
    }
}

impl FromStr for Name {
    type Err = ();

    /// Reads a name with a container. Anything else may be a target.
    fn from_str(typed: &str) -> Result<Self, ()> {
        let (pod, container) = typed.split_once(':').ok_or(())?;
        let pod = ["pod/", "pods/", "po/"]
            .iter()
            .find_map(|kind| pod.strip_prefix(kind))
            .unwrap_or(pod);
        if pod.is_empty() || container.is_empty() || pod.contains('/') {
            return Err(());
        }
        Ok(Self {
            pod: pod.to_owned(),
            container: Some(container.to_owned()),
        })
    }
}

impl fmt::Display for State {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let reason = |reason: &str| {
            if reason.is_empty() {
                String::new()
            } else {
                format!(" ({reason})")
            }
        };
        match self {
            Self::Waiting { reason: why } => write!(out, "waiting{}", reason(why)),
            Self::Running => write!(out, "running"),
            Self::Ended {
                exit_code: Some(code),
                reason: why,
            } => write!(out, "exited {code}{}", reason(why)),
            Self::Ended {
                exit_code: None,
                reason: why,
            } => write!(out, "ended{}", reason(why)),
            Self::Unknown => write!(out, "unknown"),
        }
    }
}

pub(super) fn state_of_ephemeral(pod: &Pod, status: Option<&ContainerStatus>) -> State {
    match status {
        Some(status) => of_container(status),
        None if is_over(pod) => of_phase(pod),
        None => State::Waiting {
            reason: String::new(),
        },
    }
}

pub(super) fn state_of_pod(pod: &Pod, container: Option<&str>) -> State {
    let statuses = pod.status.container_statuses.iter();
    let status = statuses
        .into_iter()
        .find(|status| Some(status.name.as_str()) == container);
    match status.map(of_container) {
        Some(state @ (State::Ended { .. } | State::Running)) => state,
        Some(state) if !is_over(pod) => state,
        _ => of_phase(pod),
    }
}

pub(super) fn started(state: &ContainerState) -> Option<String> {
    let running = state
        .running
        .as_ref()
        .and_then(|running| running.started_at.clone());
    running.or_else(|| state.terminated.as_ref()?.started_at.clone())
}

/// A container that the kubelet is about to start again has ended: the session with it is over.
fn of_container(status: &ContainerStatus) -> State {
    let ContainerState {
        waiting,
        running,
        terminated,
    } = &status.state;
    if running.is_some() {
        return State::Running;
    }
    if let Some(ended) = terminated.as_ref().or(status.last_state.terminated.as_ref()) {
        let is_usual = matches!(ended.reason.as_str(), "Completed" | "Error");
        return State::Ended {
            exit_code: Some(ended.exit_code),
            reason: if is_usual {
                String::new()
            } else {
                ended.reason.clone()
            },
        };
    }
    waiting.as_ref().map_or(State::Unknown, |waiting| State::Waiting {
        reason: waiting.reason.clone(),
    })
}

fn is_over(pod: &Pod) -> bool {
    matches!(pod.status.phase.as_str(), "Succeeded" | "Failed")
}

fn of_phase(pod: &Pod) -> State {
    match pod.status.phase.as_str() {
        "Pending" => State::Waiting {
            reason: pod.status.reason.clone(),
        },
        "Running" => State::Running,
        "Succeeded" | "Failed" => State::Ended {
            exit_code: None,
            reason: pod.status.reason.clone(),
        },
        _ => State::Unknown,
    }
}
