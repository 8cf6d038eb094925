//! `--rm`: the created pod is deleted at the end of its session, and by a process of its own when this one is killed.

use std::{
    io::{self, Read as _, Write as _},
    pin::Pin,
    process::{ChildStdin, Command, ExitCode, Stdio},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use serde_json::Value;
use trocar::{
    Applied, DebugPlan, LeftBehind,
    cluster::{Cluster, ClusterError, Ended, SessionError},
    removal::{CreatedPod, MAX_TIME, Message, Orders, created_pod, remove},
};

use super::{
    block_on,
    error::CliError,
    exit_code, journal,
    planner::{what_is_left, what_stays},
    ui,
};

/// The argument that makes the program the process that removes pods; not for people.
pub(crate) const REMOVER: &str = "__remove-pods";

/// What the process writes once signals of the terminal do not reach it any more.
const READY: u8 = b'!';

/// How long a removal may take before something is said.
const PATIENCE: Duration = Duration::from_secs(3);

/// How long a removal is tried here after a signal. The other process goes on with it.
// Less than the two seconds after which a signal ends this process in any case.
const ON_SIGNAL: Duration = Duration::from_millis(1500);

type Pipe = Arc<Mutex<ChildStdin>>;

/// The process that removes pods when this one ends without having done so.
pub(crate) struct Removal {
    cluster: Cluster,
    pipe: Pipe,
    /// The pods that the process was told of last.
    told: Arc<Mutex<Vec<CreatedPod>>>,
}

impl Removal {
    /// Starts the process, and waits until it can be relied on.
    pub(crate) async fn start(cluster: &Cluster) -> Result<Self, CliError> {
        let failed = |reason: String| {
            CliError::new(format!(
                "the process that deletes the pod at the end cannot be started: {reason}"
            ))
        };
        // Followed from before the first look, so that no renewal is missed.
        let renewed = Box::pin(cluster.credentials_renewed());
        let handover = cluster.handover().await;
        // Tried here, where an error can still prevent the debug.
        handover
            .clone()
            .into_config()
            .map_err(|error| failed(error.to_string()))?;
        let started = start(&Message::Connection(Box::new(handover)));
        let pipe = Arc::new(Mutex::new(started.map_err(|error| failed(error.to_string()))?));
        tokio::spawn(keep_connected(cluster.clone(), pipe.clone(), renewed));
        Ok(Self {
            cluster: cluster.clone(),
            pipe,
            told: Arc::default(),
        })
    }

    /// Tells the process of a pod that is about to be created, or was.
    pub(crate) fn watcher(&self) -> impl Fn(&CreatedPod) + use<> {
        let (pipe, told) = (self.pipe.clone(), self.told.clone());
        move |pod| {
            told.lock()
                .unwrap_or_else(PoisonError::into_inner)
                .push(pod.clone());
            if let Err(error) = tell(&pipe, &Message::Pod(pod.clone())) {
                ui::warning(&format!(
                    "pod {} will not be deleted should trocar be killed: {error}",
                    pod.name
                ));
            }
        }
    }

    /// Tells the process that a pod stays, or is gone.
    pub(crate) fn forget(&self, pod: &CreatedPod) {
        // A process that is gone has forgotten everything.
        drop(tell(&self.pipe, &Message::forget(pod)));
    }

    async fn remove(&self, pod: &CreatedPod, within: Duration) -> Result<(), ClusterError> {
        remove(&self.cluster, pod, within, journal::file().as_ref()).await?;
        self.forget(pod);
        Ok(())
    }

    /// Deletes a pod that was created and is not what was judged. Returns true if nothing is left of it.
    pub(crate) async fn undo(&self, pod: &CreatedPod) -> bool {
        let told = self.told.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let same = |known: &&CreatedPod| known.namespace == pod.namespace && known.name == pod.name;
        let Some(pod) = told.iter().rfind(same) else {
            return false;
        };
        match self.remove(pod, PATIENCE).await {
            Ok(()) => true,
            Err(error) => {
                ui::warning(&format!("pod {} is not deleted yet: {error}", pod.name));
                false
            }
        }
    }
}

/// Starts the process with its first message.
fn start(first: &Message) -> io::Result<ChildStdin> {
    let mut child = Command::new(std::env::current_exe()?)
        .arg(REMOVER)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()?;
    let (pipe, answer) = (child.stdin.take(), child.stdout.take());
    let (Some(mut pipe), Some(mut answer)) = (pipe, answer) else {
        return Err(io::Error::other("it has no pipes"));
    };
    pipe.write_all(first.line().as_bytes())?;
    let mut ready = [0];
    // Until it has left the terminal's session, Ctrl-C would end it together with this process.
    answer.read_exact(&mut ready)?;
    match ready {
        [READY] => Ok(pipe),
        _ => Err(io::Error::other("its answer is not valid")),
    }
}

fn tell(pipe: &Pipe, message: &Message) -> io::Result<()> {
    let mut pipe = pipe.lock().unwrap_or_else(PoisonError::into_inner);
    pipe.write_all(message.line().as_bytes())
}

/// Hands on credentials as they are renewed.
async fn keep_connected(cluster: Cluster, pipe: Pipe, mut renewed: Pin<Box<dyn Future<Output = ()> + Send>>) {
    loop {
        renewed.await;
        renewed = Box::pin(cluster.credentials_renewed());
        let connection = Box::new(cluster.handover().await);
        if tell(&pipe, &Message::Connection(connection)).is_err() {
            return;
        }
    }
}

/// The process's life: take messages until the pipe ends, and remove the pods that are left then.
pub(crate) fn remover() -> ExitCode {
    // In a session of its own neither Ctrl-C nor the end of the terminal reaches it.
    rustix::process::setsid().ok();
    let mut input = io::stdin().lock();
    let mut orders = Orders::default();
    let mut is_ready = false;
    loop {
        match Message::read(&mut input) {
            Ok(Some(message)) => orders.take(message),
            Ok(None) => break,
            Err(error) => {
                ui::warning(&format!("pods are not deleted at the end: {error}"));
                return ExitCode::from(exit_code::FAILED);
            }
        }
        // Only after the first message: without a connection it could remove nothing.
        if !is_ready {
            is_ready = true;
            let mut stdout = io::stdout();
            drop(stdout.write_all(&[READY]).and_then(|()| stdout.flush()));
        }
    }
    let failed = block_on(async { Ok(orders.carry_out().await) }).unwrap_or_default();
    for (pod, why) in &failed {
        let CreatedPod { name, namespace, .. } = pod;
        ui::error_line(&format!(
            "Pod {name} was not deleted: {why}. Remove it with: kubectl delete pod {name} -n {namespace}"
        ));
    }
    match failed.is_empty() {
        true => ExitCode::SUCCESS,
        false => ExitCode::from(exit_code::FAILED),
    }
}

/// How a session has ended, as far as it matters to the pod.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// Nothing goes on: the program has ended, or there was no session.
    Over,
    /// The program may run, and the person wants it gone: a signal came.
    Signal,
    /// The program may run, and stays: it was left, or the connection was lost.
    Left,
}

impl End {
    pub(crate) fn of(ended: &Result<Option<Ended>, SessionError>) -> Self {
        match ended {
            Ok(Some(Ended::Detached)) | Err(SessionError::Lost { .. }) => Self::Left,
            // A refusal is an answer; without one the connection was lost.
            Err(SessionError::Cluster(error)) if error.code().is_none() => Self::Left,
            _ => Self::Over,
        }
    }
}

/// What is there at the end of a session.
pub(crate) struct AtEnd<'a> {
    plan: DebugPlan,
    /// The pod that was created for the session.
    pod: Option<CreatedPod>,
    removal: Option<&'a Removal>,
}

impl<'a> AtEnd<'a> {
    /// Of a session with what a plan made.
    pub(crate) fn of_debug(applied: &Applied, removal: Option<&'a Removal>) -> Self {
        Self {
            pod: created_pod(applied.plan(), applied.pod()),
            plan: applied.plan().clone(),
            removal,
        }
    }

    /// Of a session that one came back to, with the pod that was created for it.
    pub(crate) fn of_attach(
        applied: &Applied,
        pod: Option<CreatedPod>,
        removal: Option<&'a Removal>,
    ) -> Self {
        Self {
            plan: applied.plan().clone(),
            pod,
            removal,
        }
    }

    pub(crate) fn plan(&self) -> &DebugPlan {
        &self.plan
    }

    /// Says whether the pod is deleted at the end.
    pub(crate) fn is_removed(&self) -> bool {
        self.removal.is_some() && self.pod.is_some()
    }

    /// Deletes the pod where that is wanted, and says what stays. `may_run` is about the program.
    pub(crate) async fn settle(&self, end: End, may_run: bool) -> Vec<String> {
        let Some(pod) = &self.pod else {
            return what_stays(&self.plan, may_run);
        };
        let Some(removal) = self.removal else {
            return match created_pod(&self.plan, &Value::Null) {
                Some(_) => what_stays(&self.plan, may_run),
                // It was created by an earlier plan.
                None => self.pod_stays(pod, may_run, ""),
            };
        };
        let removed = match end {
            End::Left => {
                removal.forget(pod);
                return self.pod_stays(pod, may_run, ", and is deleted at the end of a session with it");
            }
            End::Signal => removal.remove(pod, ON_SIGNAL).await,
            End::Over => patiently(pod, removal.remove(pod, MAX_TIME)).await,
        };
        match removed {
            Ok(()) => what_is_left(
                &self.plan,
                vec![LeftBehind::Deleted {
                    pod: pod.name.clone(),
                }],
            ),
            Err(_) if end == End::Signal => vec![format!(
                "Pod {} is being deleted by a process in the background, which tries for up to {} s.",
                pod.name,
                MAX_TIME.as_secs()
            )],
            Err(error) => {
                removal.forget(pod);
                ui::warning(&format!("pod {} was not deleted: {error}", pod.name));
                self.pod_stays(pod, false, "")
            }
        }
    }

    fn pod_stays(&self, pod: &CreatedPod, may_run: bool, until: &str) -> Vec<String> {
        let CreatedPod { name, namespace, .. } = pod;
        let mut lines = vec![format!(
            "Pod {name} stays in namespace {namespace}{until}. Remove it with: kubectl delete pod {name} -n {namespace}"
        )];
        if let (Some(container), true) = (self.plan.attach(), may_run) {
            lines.push(format!(
                "If it still runs, come back with: trocar attach pod/{name}:{container} -n {namespace}"
            ));
        }
        lines
    }
}

/// Waits for a removal; says so when it takes long.
async fn patiently<T>(pod: &CreatedPod, removal: impl Future<Output = T>) -> T {
    let mut removal = std::pin::pin!(removal);
    if let Ok(removed) = tokio::time::timeout(PATIENCE, &mut removal).await {
        return removed;
    }
    ui::error_line(&format!(
        "Pod {} is not deleted yet: the cluster does not answer. Trying for up to {} s.",
        pod.name,
        MAX_TIME.as_secs()
    ));
    removal.await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pod_stays_where_its_program_may_run_and_its_removal_was_not_asked_for() {
        let unreachable = || ClusterError::Unreachable {
            server: "https://api.example".into(),
            proxy: None,
            reason: "refused".into(),
        };
        let lost = SessionError::Lost {
            pod: "p".into(),
            container: "c".into(),
            error: unreachable(),
        };
        let exited = Ended::Exited {
            code: 3,
            reason: String::new(),
        };
        for (ended, wanted) in [
            (Ok(Some(exited)), End::Over),
            (Ok(Some(Ended::Detached)), End::Left),
            (Err(lost), End::Left),
            // That is said once the program has ended.
            (Err(SessionError::InputCut), End::Over),
            (Err(SessionError::Cluster(unreachable())), End::Left),
            (Err(SessionError::Gone("p".into())), End::Over),
            (
                Err(SessionError::Output(io::ErrorKind::BrokenPipe.into())),
                End::Over,
            ),
        ] {
            assert_eq!(End::of(&ended), wanted, "{ended:?}");
        }
    }
}
