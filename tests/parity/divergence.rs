//! The cases in which we differ from kubectl only in words, each with the reason. A case that agrees after all fails.
//!
//! Where the objects differ, the case itself holds what is wanted and why.

const USAGE: &str = "kubectl prints the whole usage before a mistake in a flag; we print the mistake";
const PLACE: &str = "we say in which line and column a file is wrong";
const WORKLOADS: &str = "workloads are targets";

const KNOWN: [(&str, &str); 6] = [
    ("custom-bad-garbage", PLACE),
    ("custom-bad-wrong-type", PLACE),
    ("err-bad-bool", USAGE),
    ("err-deployment-unsupported", WORKLOADS),
    ("err-env-no-equals", USAGE),
    ("err-set-image-no-equals", USAGE),
];

/// Why the words of a case are not kubectl's.
pub(crate) fn expected_difference(case: &str) -> Option<&'static str> {
    let found = KNOWN.iter().find(|(name, _)| *name == case);
    found.map(|(_, reason)| *reason)
}

/// Every name in the list must be that of a case.
pub(crate) fn check_names(cases: &[String]) -> Result<(), String> {
    match KNOWN
        .iter()
        .find(|(name, _)| !cases.iter().any(|case| case == name))
    {
        Some((name, _)) => Err(format!("there is no case {name}")),
        None => Ok(()),
    }
}
