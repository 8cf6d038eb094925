//! A server's Status as it is kept: without the whole object that some of them hold.

use super::refusal::Status;

/// Cuts whole objects out of a Status. Of a patch with an unknown field the server says `Invalid value: "{…}": why`, with
/// the pod instead of the dots, twice.
pub(crate) fn shortened(mut status: Status) -> Status {
    status.message = without_object(&status.message);
    for cause in status.details.iter_mut().flat_map(|details| &mut details.causes) {
        cause.message = without_object(&cause.message);
    }
    status
}

fn without_object(message: &str) -> String {
    const START: &str = "Invalid value: \"{";
    const END: &str = "}\": ";
    let cut = message.find(START).and_then(|start| {
        let end = message.rfind(END)? + END.len();
        Some((message.get(..start)?, message.get(end..).filter(|_| end > start)?))
    });
    match cut {
        Some((before, after)) => format!("{before}{after}"),
        None => message.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_object_goes_and_what_is_wrong_with_it_stays() {
        let unknown = r#" "" is invalid: patch: Invalid value: "{\"kind\":\"Pod\"}": strict decoding error: unknown field "x""#;
        for (message, wanted) in [
            (
                unknown,
                r#" "" is invalid: patch: strict decoding error: unknown field "x""#,
            ),
            (r#"Invalid value: "{no end"#, r#"Invalid value: "{no end"#),
            (r#"}": Invalid value: "{"#, r#"}": Invalid value: "{"#),
            (
                r#"spec.x: Invalid value: "y": no"#,
                r#"spec.x: Invalid value: "y": no"#,
            ),
        ] {
            assert_eq!(without_object(message), wanted);
        }
    }
}
