//! What to do when a cluster does not do what was asked, or a container does not start.

use trocar::cluster::{Action, ClusterError, CredentialError, HopelessKind, Refusal};

/// What to do about an error of a cluster, the most useful first. Empty where its message says everything.
pub(crate) fn after_cluster(error: &ClusterError) -> Vec<String> {
    let one = |hint: &str| vec![hint.to_owned()];
    match error {
        ClusterError::Refused { action, .. } => error
            .refusal()
            .map_or_else(Vec::new, |refusal| after_refusal(action, &refusal)),
        ClusterError::Unreachable { .. } => {
            one("is the cluster up, and is this the right context? kubectl config get-contexts lists them")
        }
        ClusterError::Untrusted { reason, .. } if reason.contains("InvalidContentType") => {
            one("the server there does not speak TLS: is the address in the kubeconfig right?")
        }
        ClusterError::Untrusted { .. } => one(
            "is this the right server, and is certificate-authority of the kubeconfig the one that signed its certificate?",
        ),
        ClusterError::Credentials(error) => after_credentials(error),
        ClusterError::TimedOut { .. } => one("--request-timeout sets how long to wait"),
        _ => Vec::new(),
    }
}

/// How many lines of a kubeconfig's `installHint` are shown.
const MAX_INSTALL_LINES: usize = 10;

fn after_credentials(error: &CredentialError) -> Vec<String> {
    match error {
        CredentialError::Missing {
            command,
            install_hint,
        } => {
            let lines = install_hint
                .lines()
                .map(str::trim)
                .filter(|line| !line.is_empty());
            let lines: Vec<String> = lines.take(MAX_INSTALL_LINES).map(str::to_owned).collect();
            match lines.is_empty() {
                true => vec![format!(
                    "install {command}, or change the command in the kubeconfig: it is looked for in PATH"
                )],
                false => lines,
            }
        }
        CredentialError::Denied { .. } => {
            vec!["add it to credentialPluginAllowlist of the kuberc, or use --token".to_owned()]
        }
        CredentialError::Provider(name) => {
            // client-go has removed the auth-providers of vendors; each of these has a credential plugin instead.
            let instead = match name.as_str() {
                "gcp" => "gke-gcloud-auth-plugin",
                "azure" => "kubelogin (https://github.com/Azure/kubelogin)",
                "openstack" => "client-keystone-auth",
                _ => "a credential plugin (exec)",
            };
            vec![format!("use {instead} in the kubeconfig instead, or --token")]
        }
        CredentialError::Plugin { .. } => {
            vec!["log in again with the tool that your kubeconfig names".to_owned()]
        }
        _ => Vec::new(),
    }
}

fn after_refusal(action: &Action, refusal: &Refusal) -> Vec<String> {
    let one = |hint: &str| vec![hint.to_owned()];
    match refusal {
        Refusal::Unauthenticated => {
            one("the credentials from flags or kubeconfig are missing or expired: log in again")
        }
        Refusal::MissingRight => vec![
            format!(
                "you may not {} {}; you need {}",
                action.verb,
                action.resource(),
                missing_rule(action)
            ),
            "ask a cluster administrator to bind it to you".to_owned(),
        ],
        Refusal::PodSecurity { level } => after_pod_security(level),
        Refusal::QuotaUsedUp { quota } => vec![format!(
            "quota {quota:?} of the namespace is used up: delete something, or debug without a new pod"
        )],
        Refusal::QuotaNeedsResources { .. } => one(
            "the namespace's quota requires resources: --custom=FILE with {resources: {requests: …, limits: …}}",
        ),
        Refusal::LimitRange => one(
            "a LimitRange of the namespace bounds resources: --custom=FILE with {resources: {…}} sets them",
        ),
        Refusal::NamespaceTerminating => one("the namespace is being deleted; nothing can be created in it"),
        Refusal::Admission => one("this is a rule of the cluster, not a missing permission"),
        Refusal::AdmissionPolicy { policy } => vec![format!(
            "this is a rule of the cluster (ValidatingAdmissionPolicy {policy:?}): ask its operators what is allowed"
        )],
        Refusal::Webhook { name } => vec![format!(
            "this is a rule of the cluster (webhook {:?}): ask its operators what is allowed",
            name.as_deref().unwrap_or("of the cluster")
        )],
        Refusal::NoNamespace => one("-n names another namespace"),
        Refusal::NoEphemeralContainers => one("--copy-to debugs a copy of the pod instead"),
        Refusal::NameTaken => vec![
            "choose another name with --copy-to".to_owned(),
            format!(
                "if it is a copy of yours: trocar attach pod/{0}{1} comes back to it, trocar clean pod/{0}{1} deletes it",
                action.name,
                action
                    .namespace
                    .as_ref()
                    .map_or_else(String::new, |namespace| format!(" -n {namespace}"))
            ),
        ],
        Refusal::Invalid => one(
            "trocar plan … -o manifest shows the object that was refused; --custom changes the debug container",
        ),
        Refusal::Busy => one("the server is busy or restarting: try again in a moment"),
        _ => Vec::new(),
    }
}

/// The rule that allows an action, and where it belongs.
fn missing_rule(action: &Action) -> String {
    let rule = action.rule();
    match &action.namespace {
        Some(namespace) => format!("a Role in namespace {namespace:?} with the rule {rule}"),
        None => format!("a ClusterRole with the rule {rule}"),
    }
}

fn after_pod_security(level: &str) -> Vec<String> {
    let profile = match level {
        "restricted" => "restricted",
        _ => "baseline",
    };
    vec![
        format!(
            "the namespace enforces the Pod Security level {level:?}; --profile={profile} asks for no more than that"
        ),
        "if the pod itself breaks the level, only an administrator of the namespace can change that".into(),
    ]
}

/// What to do when a container will not start.
pub(crate) fn after_hopeless(kind: HopelessKind) -> &'static str {
    match kind {
        HopelessKind::PodFinished => {
            "no container starts in a finished pod; --copy-to=NAME debugs a copy of it"
        }
        HopelessKind::PodDeleted => "debug the pod that takes its place, or a copy with --copy-to=NAME",
        HopelessKind::StaticPod => "--copy-to=NAME debugs a copy of it, or debug its node with node/NAME",
        HopelessKind::ImageName => "--image must name an image",
        HopelessKind::ImageNeverPulled => {
            "the image is not on the node, and --image-pull-policy=Never forbids to pull it"
        }
        HopelessKind::Pull => "check the image's name, and whether the node may pull from that registry",
        HopelessKind::Config => {
            "the container asks for what the pod does not have or may not do; trocar plan shows it, --profile and \
             --custom change it"
        }
        HopelessKind::Command => "check the command: the word after -- must be an executable in the image",
        HopelessKind::Crashes => "the program ends as soon as it starts",
        HopelessKind::TargetEnded => {
            "without --target the debug container starts; --copy-to=NAME debugs a copy of the pod"
        }
        HopelessKind::Unschedulable => {
            "no node takes the pod as it is; --same-node puts a copy on its original's node"
        }
        _ => "trocar plan shows the container",
    }
}

/// Says whether an event tells something besides the reason that is told already.
pub(crate) fn is_news(reason: &str, event: &str) -> bool {
    // A scheduler says the same in its events, of the nodes that there were then.
    if reason.starts_with("Unschedulable: ") && event.starts_with("FailedScheduling: ") {
        return false;
    }
    let of_kind = |text: &str| text.split_once(": ").map_or(text, |(_, rest)| rest).to_owned();
    let core = of_kind(event);
    let core = core.strip_prefix("Error: ").unwrap_or(&core);
    let of_reason = of_kind(reason);
    let is_said = reason.contains(core) || !of_reason.is_empty() && event.contains(of_reason.as_str());
    !is_said
}

#[cfg(test)]
mod tests {
    use trocar::{cluster::Status, reference::Kind};

    use super::*;

    fn action(namespace: Option<&str>) -> Action {
        Action {
            verb: "patch",
            kind: Kind::Pod,
            subresource: "ephemeralcontainers",
            namespace: namespace.map(str::to_owned),
            name: "web-0".into(),
        }
    }

    #[test]
    fn each_refusal_has_a_next_step() {
        let quota = "small".to_owned();
        let (level, name) = ("restricted".to_owned(), Some("guard.example.com".to_owned()));
        for (refusal, wanted) in [
            (Refusal::Unauthenticated, "log in again"),
            (
                Refusal::MissingRight,
                "resources: [\"pods/ephemeralcontainers\"], verbs: [\"patch\"]",
            ),
            (Refusal::PodSecurity { level }, "--profile=restricted"),
            (
                Refusal::QuotaNeedsResources {
                    quota: quota.clone(),
                    missing: Vec::new(),
                },
                "--custom",
            ),
            (Refusal::QuotaUsedUp { quota }, "quota \"small\""),
            (Refusal::LimitRange, "LimitRange"),
            (Refusal::NamespaceTerminating, "being deleted"),
            (Refusal::Webhook { name }, "webhook \"guard.example.com\""),
            (Refusal::Admission, "not a missing permission"),
            (
                Refusal::AdmissionPolicy {
                    policy: "no-debug".into(),
                },
                "ValidatingAdmissionPolicy \"no-debug\"",
            ),
            (Refusal::NoNamespace, "-n"),
            (Refusal::NoEphemeralContainers, "--copy-to"),
            (Refusal::NameTaken, "--copy-to"),
            (Refusal::Invalid, "-o manifest"),
            (Refusal::Busy, "try again"),
        ] {
            let hints = after_refusal(&action(Some("shop")), &refusal).join("; ");
            assert!(hints.contains(wanted), "{refusal:?}: {hints}");
        }
        for refusal in [Refusal::NotFound, Refusal::Conflict, Refusal::Other] {
            assert_eq!(
                after_refusal(&action(None), &refusal),
                Vec::<String>::new(),
                "{refusal:?}"
            );
        }
    }

    #[test]
    fn a_reason_that_is_told_is_not_told_again_by_an_event() {
        let reason = "ErrImagePull: failed to pull \"x\": not found";
        for (event, wanted) in [
            (
                "Failed: Failed to pull image \"x\": failed to pull \"x\": not found",
                false,
            ),
            ("Failed: Error: ErrImagePull", false),
            ("FailedMount: secret \"db\" not found", true),
        ] {
            assert_eq!(is_news(reason, event), wanted, "{event}");
        }
        let words = "0/1 nodes are available: 1 Insufficient cpu.";
        assert!(!is_news(
            &format!("Unschedulable: {words}"),
            &format!("FailedScheduling: {words}")
        ));
        assert!(is_news("", "Failed: x"));
    }

    #[test]
    fn a_missing_right_is_of_a_role_or_a_cluster_role() {
        let of = |namespace| after_refusal(&action(namespace), &Refusal::MissingRight).remove(0);
        assert!(of(Some("shop")).contains("a Role in namespace \"shop\" with the rule {apiGroups: [\"\"]"));
        assert!(of(None).contains("a ClusterRole with the rule"));
    }

    #[test]
    fn each_failure_to_reach_a_cluster_has_a_next_step() {
        let server = || "https://a".to_owned();
        let untrusted = |reason: &str| ClusterError::Untrusted {
            server: server(),
            reason: reason.into(),
        };
        for (error, wanted) in [
            (
                ClusterError::Unreachable {
                    server: server(),
                    proxy: None,
                    reason: "no route".into(),
                },
                "get-contexts",
            ),
            (untrusted("InvalidContentType"), "does not speak TLS"),
            (untrusted("unknown issuer"), "certificate-authority"),
            (
                ClusterError::Credentials(CredentialError::Plugin {
                    command: "login".into(),
                    problem: "failed".into(),
                }),
                "log in again",
            ),
            (
                ClusterError::Credentials(CredentialError::Missing {
                    command: "login".into(),
                    install_hint: "brew install login".into(),
                }),
                "brew install login",
            ),
            (
                ClusterError::Credentials(CredentialError::Provider("azure".into())),
                "kubelogin",
            ),
            (
                ClusterError::TimedOut {
                    action: action(None),
                    after: std::time::Duration::from_secs(1),
                },
                "--request-timeout",
            ),
            (
                ClusterError::Refused {
                    action: action(None),
                    status: Box::new(Status {
                        code: 503,
                        ..Status::default()
                    }),
                },
                "try again",
            ),
        ] {
            let hints = after_cluster(&error).join("; ");
            assert!(hints.contains(wanted), "{error:?}: {hints}");
        }
        let broken = ClusterError::Broken {
            action: action(None),
            reason: "reset".into(),
        };
        assert!(after_cluster(&broken).is_empty());
    }
}
