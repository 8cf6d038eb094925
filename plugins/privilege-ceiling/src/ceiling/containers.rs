//! Which containers of a plan the debug decides about, and what each was copied from.

use trocar_sdk::{
    Object,
    pod::ContainerKind,
    policy::{ResultingPod, Review},
};

use crate::settings::Settings;

/// Says whether a container of a resulting pod is the debug's own, not one that it takes over from the target.
pub(crate) fn is_new(
    review: &Review<Settings>,
    planned: &ResultingPod,
    kind: ContainerKind,
    index: usize,
) -> bool {
    if planned.added_container().is_some() {
        return kind == ContainerKind::Ephemeral && index + 1 == planned.pod.containers_of(kind).count();
    }
    before(review, planned, kind, index).is_none()
}

/// The target's container that a created pod's container was copied from.
pub(crate) fn before<'a>(
    review: &'a Review<Settings>,
    planned: &ResultingPod,
    kind: ContainerKind,
    index: usize,
) -> Option<&'a Object> {
    if review.target.kind() != "Pod" {
        return None;
    }
    let copied = planned.pod.containers_of(kind).nth(index)?.name().to_owned();
    let mut originals = trocar_sdk::pod::containers_of(&review.target.0, kind);
    originals
        .find(|original| original.name() == copied)
        .map(|original| original.container)
}

/// One container of a resulting pod, as far as the debug decides about it.
pub(super) struct Judged<'a> {
    pub(super) container: &'a Object,
    pub(super) before: Option<&'a Object>,
    pub(super) at: Option<String>,
}

/// The containers that the debug adds or may have changed.
pub(super) fn judged<'a>(review: &'a Review<Settings>, planned: &'a ResultingPod) -> Vec<Judged<'a>> {
    let adds_one = planned.added_container().is_some();
    let containers = planned.pod.containers();
    let concerned = containers.filter(|found| !adds_one || is_new(review, planned, found.kind, found.index));
    concerned
        .map(|found| Judged {
            container: found.container,
            before: if adds_one {
                None
            } else {
                before(review, planned, found.kind, found.index)
            },
            at: planned.at(&trocar_sdk::diagnostic::pointer(found.path())),
        })
        .collect()
}
