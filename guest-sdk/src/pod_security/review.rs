//! The check of one pod: its state, the types that fields must have, and the report. The controls are in
//! `pod.rs`, `container.rs` and `shared.rs`.

use serde_json::Value;

use super::{
    Level, Violation,
    controls::MALFORMED,
    message::{Owner, Shown},
    spot::Spot,
};

const FALSE_OR_NOTHING: &str = "only false or nothing is allowed";

/// The check of one pod.
pub(super) struct Review {
    pub(super) level: Level,
    pub(super) is_windows: bool,
    /// The pod has a user namespace: its root is unprivileged on the node, which some controls take into account.
    pub(super) has_user_namespace: bool,
    /// The pod sets it for its containers, to an allowed value or not.
    pub(super) pod_sets_non_root: bool,
    pub(super) pod_sets_seccomp: bool,
    found: Vec<Violation>,
}

impl Review {
    pub(super) fn new(level: Level, spec: &Spot<'_>) -> Self {
        Self {
            level,
            is_windows: spec.field("os").field("name").text() == Some("windows"),
            has_user_namespace: spec.field("hostUsers").is(&Value::Bool(false)),
            pod_sets_non_root: false,
            pod_sets_seccomp: false,
            found: Vec::new(),
        }
    }

    pub(super) fn into_violations(self) -> Vec<Violation> {
        self.found
    }

    /// A member that must be an object, if present.
    pub(super) fn object<'s>(&mut self, parent: &'s Spot<'s>, name: &'s str) -> Spot<'s> {
        let spot = parent.field(name);
        self.expect_object(&spot);
        spot
    }

    pub(super) fn expect_object(&mut self, spot: &Spot<'_>) {
        self.expect(spot, Value::is_object, "an object");
    }

    /// A member that must be a list, if present.
    pub(super) fn list<'s>(&mut self, parent: &'s Spot<'s>, name: &'s str) -> Spot<'s> {
        let spot = parent.field(name);
        self.expect(&spot, Value::is_array, "a list");
        spot
    }

    fn expect(&mut self, spot: &Spot<'_>, is_right: fn(&Value) -> bool, wanted: &str) {
        if let Some(value) = spot.value.filter(|value| !is_right(value)) {
            self.report(MALFORMED, Level::Baseline, spot, Owner::Pod, || {
                format!(
                    "{} stands where only {wanted} or nothing is allowed",
                    Shown(value)
                )
            });
        }
    }

    pub(super) fn must_be_off(
        &mut self,
        control: &'static str,
        spot: &Spot<'_>,
        owner: Owner<'_>,
        field: &str,
    ) {
        if !spot.is_absent() && !spot.is(&Value::Bool(false)) {
            self.refuse(control, Level::Baseline, spot, owner, field, FALSE_OR_NOTHING);
        }
    }

    /// Reports a field whose value is not allowed.
    pub(super) fn refuse(
        &mut self,
        control: &'static str,
        level: Level,
        spot: &Spot<'_>,
        owner: Owner<'_>,
        field: &str,
        allowed: &str,
    ) {
        self.report(control, level, spot, owner, || match spot.value {
            Some(value) => format!("{owner} sets {field} to {}; {allowed}", Shown(value)),
            None => format!("{owner} does not set {field}; {allowed}"),
        });
    }

    pub(super) fn report(
        &mut self,
        control: &'static str,
        level: Level,
        spot: &Spot<'_>,
        owner: Owner<'_>,
        message: impl FnOnce() -> String,
    ) {
        if level <= self.level {
            self.found.push(Violation {
                control,
                level,
                at: spot.pointer(),
                owner: owner.to_string(),
                message: message(),
            });
        }
    }
}
