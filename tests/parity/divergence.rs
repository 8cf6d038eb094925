//! Cases that differ from kubectl only in messages, each with the reason. A case that agrees after all fails.
//!
//! For differences in objects, the case itself has the expected outcome, kubectl's outcome, and the reason.

/// The reasons, each with its cases.
const KNOWN: [(&str, &[&str]); 6] = [
    (
        "kubectl adds its usage to a mistake in a flag; we say the mistake, and how to see our usage",
        &[
            "err-bad-bool",
            "err-env-no-equals",
            "err-set-image-no-equals",
            "more-bool-empty",
            "more-bool-on",
            "more-bool-yes",
            "more-env-bare-quote",
            "more-env-empty",
            "more-env-extraneous",
            "more-env-trailing-comma",
            "more-env-unterminated",
            "more-err-flag-without-value",
            "more-err-unknown-flag",
            "more-err-unknown-shorthand",
        ],
    ),
    (
        "we say in which line and column a file is wrong",
        &[
            "custom-bad-garbage",
            "custom-bad-wrong-type",
            "more-custom-bool-as-text",
            "more-custom-float-fraction",
            "more-custom-int-as-text",
            "more-custom-int-overflow",
            "more-custom-list",
            "more-custom-text",
            "more-custom-yaml-tab",
            "more-file-garbage",
            "more-file-json-list-type",
            "more-file-text",
        ],
    ),
    (
        "kubectl ignores without a word a flag that has no effect; we warn",
        &[
            "more-copy-pod-and-node",
            "more-copy-to-node",
            "more-keep-node",
            "more-keep-without-copy",
            "more-namespace-node-copy",
            "more-replace-node-copy",
            "more-set-image-node-and-image",
            "more-share-without-copy",
            "more-target-node",
        ],
    ),
    (
        "kubectl makes a pod of Linux on a Windows node without a word; we warn that the profile gives nothing there",
        &[
            "more-node-baseline-windows",
            "more-node-general-windows",
            "more-node-legacy-windows",
            "more-node-netadmin-windows",
            "more-node-restricted-windows",
        ],
    ),
    (
        "workloads are targets: these have no pods",
        &["err-deployment-unsupported", "more-err-type-service"],
    ),
    (
        "a command line that makes no sense prints nothing to stdout",
        &["more-err-order-tty-before-custom"],
    ),
];

/// Why the messages of a case are not kubectl's.
pub(crate) fn expected_difference(case: &str) -> Option<&'static str> {
    let found = KNOWN.iter().find(|(_, cases)| cases.contains(&case));
    found.map(|(reason, _)| *reason)
}

/// Every name in the list must be that of a case.
pub(crate) fn check_names(cases: &[String]) -> Result<(), String> {
    let mut named = KNOWN.iter().flat_map(|(_, cases)| *cases);
    match named.find(|name| !cases.iter().any(|case| case == *name)) {
        Some(name) => Err(format!("there is no case {name}")),
        None => Ok(()),
    }
}
