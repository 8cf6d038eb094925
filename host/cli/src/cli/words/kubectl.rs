//! What `kubectl debug` says about a request, to the letter: scripts compare it.

use trocar::{Profile, request::RequestError};

/// A sentence, and whether kubectl says the same.
pub(crate) fn of_request(error: &RequestError) -> (String, bool) {
    use RequestError as E;
    let sentence = match error {
        E::ContainerName(_) => return (format!("--container={error}"), false),
        E::CopyName(_) => return (format!("--copy-to={error}"), false),
        E::AttachToNothing => {
            "you must specify --container or create a new container using --image in order to attach."
        }
        E::CopyWithoutChange => "you must specify --image, --set-image or command arguments.",
        E::ArgumentsWithoutContainer => {
            "you must specify an existing container or a new image when specifying args."
        }
        E::OnlyForCopies(flag) => return (format!("--{flag} may only be used with --copy-to."), true),
        E::NoImage => "you must specify --image when not using --copy-to.",
        E::NoTarget => "NAME or filename is required for debug",
        E::TargetOfCopy => "--target is incompatible with --copy-to. Use --share-processes instead.",
        E::TerminalWithoutInput => "-i/--stdin is required for containers with -t/--tty=true",
        same => return (same.to_string(), true),
    };
    (sentence.to_owned(), true)
}

/// What to do about a field that a custom container may not have.
pub(crate) fn after_custom(at: &str) -> Option<String> {
    (at == "/targetContainerName").then(|| "--target=CONTAINER names the container to join".into())
}

/// The notice for a profile that kubectl will remove.
pub(crate) fn deprecation(profile: Profile) -> Option<&'static str> {
    (profile == Profile::Legacy).then_some(
        "--profile=legacy is deprecated and planned to be removed in v1.39. It is recommended to specify other \
         profile, for example \"--profile=general\".",
    )
}

/// The notice that processes of another container are joined.
pub(crate) fn targeting(container: &str) -> String {
    format!(
        "Targeting container {container:?}. If you don't see processes from this container it may be because the \
         container runtime doesn't support this feature."
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_refused_in_kubectls_words_where_kubectl_refuses_them() {
        for (error, sentence) in [
            (
                RequestError::AttachToNothing,
                "you must specify --container or create a new container using --image in order to attach.",
            ),
            (
                RequestError::CopyWithoutChange,
                "you must specify --image, --set-image or command arguments.",
            ),
            (
                RequestError::ArgumentsWithoutContainer,
                "you must specify an existing container or a new image when specifying args.",
            ),
            (
                RequestError::OnlyForCopies("replace"),
                "--replace may only be used with --copy-to.",
            ),
            (
                RequestError::NoImage,
                "you must specify --image when not using --copy-to.",
            ),
            (
                RequestError::Image("A B".into()),
                "invalid image name \"A B\": invalid reference format",
            ),
            (RequestError::NoTarget, "NAME or filename is required for debug"),
            (
                RequestError::PullPolicy("Often".into()),
                "invalid image pull policy: Often",
            ),
            (
                RequestError::SetImage {
                    image: "A".into(),
                    container: "app".into(),
                },
                "invalid image name \"A\" for container \"app\": invalid reference format",
            ),
            (
                RequestError::TargetOfCopy,
                "--target is incompatible with --copy-to. Use --share-processes instead.",
            ),
            (
                RequestError::TerminalWithoutInput,
                "-i/--stdin is required for containers with -t/--tty=true",
            ),
            (
                RequestError::CustomSetsTooMuch,
                "name, command, image, lifecycle and volume devices are not modifiable via custom profile",
            ),
        ] {
            assert_eq!(of_request(&error), (sentence.to_owned(), true));
        }
    }

    #[test]
    fn names_that_kubectl_leaves_to_the_server_are_refused_in_our_words() {
        let (sentence, is_kubectls) = of_request(&RequestError::ContainerName("Debug".into()));
        assert!(
            sentence.starts_with("--container=\"Debug\": a container's name") && !is_kubectls,
            "{sentence}"
        );
        let (sentence, is_kubectls) = of_request(&RequestError::CopyName("web_0".into()));
        assert!(
            sentence.starts_with("--copy-to=\"web_0\": a pod's name") && !is_kubectls,
            "{sentence}"
        );
    }
}
