//! Findings and their messages: the same fact is reported once for all containers.

use trocar_sdk::{Diagnostic, names};

/// The most names in a message; the rest is counted.
const MAX_NAMED: usize = 5;

/// The most findings that are reported; the rest is counted.
const MAX_TOLD: usize = 10;

/// A right in a plan that is above the ceiling.
pub(crate) struct Finding {
    pub(crate) code: &'static str,
    /// The container that gets it; none for a right of the pod.
    pub(crate) container: Option<String>,
    /// A verb phrase: `would be privileged`.
    pub(crate) what: String,
    pub(crate) at: String,
}

/// Reports findings, those of several containers as one.
pub(crate) fn told(findings: Vec<Finding>) -> Vec<Diagnostic> {
    let mut facts: Vec<(Finding, Vec<String>)> = Vec::new();
    let mut left_out = 0;
    for mut finding in findings {
        let container = finding.container.take();
        let known = facts.iter().position(|(known, containers)| {
            let is_of_pod = containers.is_empty();
            known.code == finding.code && known.what == finding.what && is_of_pod == container.is_none()
        });
        match known {
            Some(known) => facts[known].1.extend(container),
            None if facts.len() == MAX_TOLD => left_out += 1,
            None => facts.push((finding, container.into_iter().collect())),
        }
    }
    if let Some((last, _)) = facts.last_mut().filter(|_| left_out > 0) {
        last.what += &format!("; and {left_out} more");
    }
    let facts = facts.into_iter().map(|(finding, containers)| {
        let message = format!("{} {}", subject(&containers), finding.what);
        Diagnostic::error(finding.code, message).at_pointer(finding.at)
    });
    facts.collect()
}

fn subject(containers: &[String]) -> String {
    match containers {
        [] => "the pod".to_owned(),
        [one] => format!("container {one:?}"),
        several if several.len() > MAX_NAMED => format!("{} containers", several.len()),
        several => format!("containers {}", names::list(several.iter().map(String::as_str))),
    }
}

/// `a`, `a and b`, `a, b and 3 more`: names as they are.
pub(crate) fn listed<Name: AsRef<str>>(names: impl IntoIterator<Item = Name>) -> String {
    let mut listed = String::new();
    let mut names = names.into_iter().enumerate().peekable();
    while let Some((index, name)) = names.next() {
        if index == MAX_NAMED {
            listed += &format!(" and {} more", 1 + names.count());
            return listed;
        }
        let is_last = names.peek().is_none();
        listed += match index {
            0 => "",
            _ if is_last => " and ",
            _ => ", ",
        };
        listed += name.as_ref();
    }
    listed
}

#[cfg(test)]
mod tests {
    use super::*;

    fn finding(container: Option<&str>, what: &str) -> Finding {
        Finding {
            code: "privileged",
            container: container.map(str::to_owned),
            what: what.to_owned(),
            at: format!("/{}", container.unwrap_or_default()),
        }
    }

    fn messages(findings: Vec<Finding>) -> Vec<String> {
        told(findings).into_iter().map(|found| found.message).collect()
    }

    #[test]
    fn the_same_fact_of_several_containers_is_told_once_with_the_first_place() {
        let findings = || {
            vec![
                finding(Some("a"), "would be privileged"),
                finding(None, "would be privileged"),
                finding(Some("b"), "would be privileged"),
                finding(Some("a"), "would be root"),
            ]
        };
        let wanted = [
            r#"containers "a" and "b" would be privileged"#,
            "the pod would be privileged",
            r#"container "a" would be root"#,
        ];
        assert_eq!(messages(findings()), wanted);
        assert_eq!(told(findings())[0].at.as_deref(), Some("/a"));
    }

    #[test]
    fn many_containers_and_many_facts_are_counted() {
        let containers = (0..12_000).map(|number| finding(Some(&number.to_string()), "would be root"));
        assert_eq!(messages(containers.collect()), ["12000 containers would be root"]);
        let facts = (0..12_000).map(|number| finding(None, &format!("would do {number}")));
        let messages = messages(facts.collect());
        assert_eq!(messages.len(), MAX_TOLD);
        assert_eq!(messages[9], "the pod would do 9; and 11990 more");
    }

    #[test]
    fn names_are_listed_and_the_rest_is_counted() {
        for (names, wanted) in [
            (&[][..], ""),
            (&["a"], "a"),
            (&["a", "b"], "a and b"),
            (&["a", "b", "c", "d", "e"], "a, b, c, d and e"),
            (&["a", "b", "c", "d", "e", "f", "g"], "a, b, c, d, e and 2 more"),
        ] {
            assert_eq!(listed(names), wanted);
        }
    }
}
