"""Takes images from mirrors, and allows debugs in office hours only, except for some groups. A pure function: time and user
are data in the review."""

import json
from datetime import datetime
from typing import Any

from trocar_sdk import Decision, Diagnostic, ImageReference, PlannedContainer, Review, pointer


def review(review: Review) -> Decision:
    decision = Decision.allow()
    for container in review.containers():
        if not container.keeps("image"):
            judge_image(container, review.settings.get("mirrors", {}), decision)
    judge_hour(review, decision)
    return decision


def check_settings(settings: dict[str, Any]) -> list[Diagnostic]:
    any_image = ImageReference.parse("any")
    assert any_image is not None
    found = [
        Diagnostic.error("invalid-mirror", f"{json.dumps(to)} is not a registry", at=pointer("mirrors", registry))
        for registry, to in settings.get("mirrors", {}).items()
        if any_image.with_registry(*split(to)) is None
    ]
    hours = settings.get("hours")
    if hours and hours["from"] >= hours["to"]:
        found.append(Diagnostic.error("invalid-hours", "the hours end before they begin", at=pointer("hours", "to")))
    return found


def judge_image(container: PlannedContainer, mirrors: dict[str, str], decision: Decision) -> None:
    who = f"container {json.dumps(container.name)}"
    image = ImageReference.parse(container.image)
    if image is None:
        why = f"{who}: {json.dumps(container.image)} is not an image reference"
        decision.deny(Diagnostic.error("image-invalid", why, at=container.at("image")))
        return
    mirror = mirrors.get(image.registry)
    mirrored = image.with_registry(*split(mirror)) if mirror else None
    if mirrored is None or mirrored.registry == image.registry:
        return
    why = f"{who}: {image} is taken from {mirrored}"
    decision.set(container.at("image"), str(mirrored), Diagnostic.info("image-from-mirror", why))


def split(mirror: str) -> tuple[str, str]:
    """The registry, and the path before the repository."""
    registry, _, path = mirror.partition("/")
    return registry, path


def judge_hour(review: Review, decision: Decision) -> None:
    hours = review.settings.get("hours")
    free = review.settings.get("exceptGroups", [])
    if hours is None or any(group in free for group in review.actor.groups):
        return
    now = datetime.fromisoformat(review.context.time.removesuffix("Z"))
    if now.weekday() < 5 and hours["from"] <= now.hour < hours["to"]:
        return
    when = f"from Monday to Friday between {hours['from']} and {hours['to']} o'clock UTC"
    help = f"members of {', '.join(free)} may debug at any hour" if free else None
    why = f"debugs happen {when}; it is {review.context.time}"
    decision.deny(Diagnostic.error("outside-hours", why, help=help))
