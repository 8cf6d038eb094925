//! Takes images from mirrors, and allows debugs in office hours only, except for some groups. A pure function: time and user are
//! data in the review.
#![forbid(unsafe_code)]

use std::collections::BTreeMap;

use serde::Deserialize;
use trocar_sdk::{
    Diagnostic, Failure,
    image::ImageReference,
    policy::{Decision, PlannedContainer, Review},
};

/// The policy's settings.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct Settings {
    /// Mirrors by registry; a mirror may have a path.
    pub mirrors: BTreeMap<String, String>,
    /// The office hours, in UTC, from Monday to Friday.
    pub hours: Option<Hours>,
    /// Groups that may debug at any time.
    pub except_groups: Vec<String>,
}

/// A range of hours, without its end.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Hours {
    /// The first hour.
    pub from: u8,
    /// The hour after the last.
    pub to: u8,
}

/// Reviews a plan.
///
/// # Errors
/// Never fails.
pub fn review(review: &Review<Settings>) -> Result<Decision, Failure> {
    let mut decision = Decision::allow();
    for container in review.containers() {
        if !container.keeps("image") {
            judge_image(&container, &review.settings.mirrors, &mut decision);
        }
    }
    judge_hour(review, &mut decision);
    Ok(decision)
}

trocar_sdk::policy!(review, settings: check_settings);

fn check_settings(settings: &Settings) -> Vec<Diagnostic> {
    let any = ImageReference::parse("any").expect("a lower-case word is an image");
    let wrong = settings
        .mirrors
        .iter()
        .filter(|(_, to)| mirrored(&any, to).is_none());
    let mut found: Vec<Diagnostic> = wrong
        .map(|(from, to)| {
            Diagnostic::error("invalid-mirror", format!("{to:?} is not a registry"))
                .at(["mirrors", from.as_str()])
        })
        .collect();
    if settings
        .hours
        .as_ref()
        .is_some_and(|hours| hours.from >= hours.to)
    {
        found.push(Diagnostic::error("invalid-hours", "the hours end before they begin").at(["hours", "to"]));
    }
    found
}

fn judge_image(
    container: &PlannedContainer<'_>,
    mirrors: &BTreeMap<String, String>,
    decision: &mut Decision,
) {
    let who = format!("container {:?}", container.name());
    let Some(image) = ImageReference::parse(container.image()) else {
        let why = format!("{who}: {:?} is not an image reference", container.image());
        decision.deny(Diagnostic::error("image-invalid", why).at_pointer(container.at(["image"])));
        return;
    };
    let mirror = mirrors.get(&image.registry());
    let Some(found) = mirror.and_then(|mirror| mirrored(&image, mirror)) else {
        return;
    };
    if found.registry() != image.registry() {
        let why = Diagnostic::info(
            "image-from-mirror",
            format!("{who}: {image} is taken from {found}"),
        );
        decision.set(container.at(["image"]), found.to_string(), why);
    }
}

/// The image on a mirror: at its registry, below its path.
fn mirrored(image: &ImageReference, mirror: &str) -> Option<ImageReference> {
    let (registry, path) = mirror.split_once('/').unwrap_or((mirror, ""));
    image.with_registry(registry, path)
}

fn judge_hour(review: &Review<Settings>, decision: &mut Decision) {
    let Settings {
        hours, except_groups, ..
    } = &review.settings;
    let is_free = review
        .actor
        .groups
        .iter()
        .any(|group| except_groups.contains(group));
    let (Some(hours), false) = (hours, is_free) else {
        return;
    };
    let time = review.context.time.as_str();
    if weekday_and_hour(time).is_some_and(|(day, hour)| day < 5 && (hours.from..hours.to).contains(&hour)) {
        return;
    }
    let when = format!(
        "from Monday to Friday between {} and {} o'clock UTC",
        hours.from, hours.to
    );
    let why = Diagnostic::error("outside-hours", format!("debugs happen {when}; it is {time}"));
    decision.deny(match except_groups.as_slice() {
        [] => why,
        groups => why.help(format!("members of {} may debug at any hour", groups.join(", "))),
    });
}

/// The day of the week, Monday being 0, and the hour of a time like `2026-11-26T08:00:00Z`.
fn weekday_and_hour(time: &str) -> Option<(i64, u8)> {
    let number = |from: usize, to: usize| time.get(from..to)?.parse::<i64>().ok();
    let (year, month, day) = (number(0, 4)?, number(5, 7)?, number(8, 10)?);
    // Days since 1970 in the proleptic Gregorian calendar; a year begins in March, so that leap days are last.
    let (year, month) = if month > 2 {
        (year, month - 3)
    } else {
        (year - 1, month + 9)
    };
    let days = 365 * year + year / 4 - year / 100 + year / 400 + (153 * month + 2) / 5 + day - 719_469;
    // The first day of 1970 was a Thursday.
    Some(((days + 3).rem_euclid(7), u8::try_from(number(11, 13)?).ok()?))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};
    use trocar_sdk::policy::{Amendment, Operation, Verdict};

    use super::*;

    fn decide(image: &str, settings: Value, actor: Value, time: &str) -> Decision {
        let plan = json!({
            "target": {"kind": "Pod", "namespace": "shop", "name": "web-0"},
            "steps": [{"action": "add-ephemeral-container", "object": {"name": "debugger", "image": image}}],
        });
        let target = json!({"kind": "Pod", "metadata": {"name": "web-0", "namespace": "shop"}, "spec": {"containers": []}});
        let context = json!({"namespace": "shop", "time": time});
        let [plan, target, actor, settings, context] =
            [plan, target, actor, settings, context].map(|document| document.to_string());
        review(&Review::parse(plan, target, "{}", actor, settings, context).unwrap()).unwrap()
    }

    fn codes(decision: &Decision) -> Vec<&str> {
        decision
            .diagnostics
            .iter()
            .map(|found| found.code.as_str())
            .collect()
    }

    const THURSDAY: &str = "2026-11-26T12:00:00Z";
    const SATURDAY: &str = "2026-11-28T12:00:00Z";

    #[test]
    fn an_image_of_a_registry_with_a_mirror_is_taken_from_there() {
        let settings = json!({"mirrors": {"docker.io": "mirror.example.com/hub"}});
        let decision = decide("busybox:1.36", settings.clone(), json!({}), THURSDAY);
        let wanted = Amendment {
            operation: Operation::Add,
            at: "/steps/0/object/image".into(),
            value: Some("mirror.example.com/hub/library/busybox:1.36".into()),
        };
        assert_eq!(decision.amendments, [wanted]);
        let there = decide("mirror.example.com/hub/tools:1", settings, json!({}), THURSDAY);
        assert_eq!(there.verdict(), Verdict::Allow);
    }

    #[test]
    fn an_image_that_is_none_is_denied() {
        assert_eq!(
            codes(&decide("NO/Image", json!({}), json!({}), THURSDAY)),
            ["image-invalid"]
        );
    }

    #[test]
    fn a_debug_happens_in_office_hours() {
        let settings = json!({"hours": {"from": 8, "to": 18}});
        for (time, wanted) in [
            ("2026-11-26T08:00:00Z", Verdict::Allow),
            ("2026-11-26T18:00:00Z", Verdict::Deny),
            ("2026-11-27T17:59:59Z", Verdict::Allow),
            (SATURDAY, Verdict::Deny),
            ("2024-02-29T12:00:00Z", Verdict::Allow),
            ("2024-03-02T12:00:00Z", Verdict::Deny),
        ] {
            assert_eq!(
                decide("busybox", settings.clone(), json!({}), time).verdict(),
                wanted,
                "{time}"
            );
        }
    }

    #[test]
    fn a_group_is_free_of_the_hours() {
        let settings = json!({"hours": {"from": 8, "to": 18}, "exceptGroups": ["sre"]});
        let of = |groups: Value| decide("busybox", settings.clone(), json!({"groups": groups}), SATURDAY);
        assert_eq!(of(json!(["sre", "dev"])).verdict(), Verdict::Allow);
        assert_eq!(codes(&of(json!(["dev"]))), ["outside-hours"]);
    }

    #[test]
    fn settings_that_cannot_be_meant_are_told() {
        let settings = json!({"mirrors": {"docker.io": "mirror"}, "hours": {"from": 9, "to": 9}});
        let found = check_settings(&serde_json::from_value(settings).unwrap());
        let found: Vec<_> = found
            .iter()
            .map(|found| (found.code.as_str(), found.at.as_deref()))
            .collect();
        let wanted = [
            ("invalid-mirror", Some("/mirrors/docker.io")),
            ("invalid-hours", Some("/hours/to")),
        ];
        assert_eq!(found, wanted);
    }
}
