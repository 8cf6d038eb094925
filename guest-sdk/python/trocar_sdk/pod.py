"""Reading a pod's JSON. Nothing in here decides anything."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

Object = dict[str, Any]

#: The lists of containers in a pod's spec, in the order in which they are searched for a name.
CONTAINER_LISTS = ("initContainers", "containers", "ephemeralContainers")


@dataclass(frozen=True)
class Found:
    """A container, with its position."""

    kind: str
    index: int
    container: Object


def member(value: Any, *path: str) -> Any:
    """The value at a path of fields; None where one is not there."""
    for part in path:
        value = value.get(part) if isinstance(value, dict) else None
    return value


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else None


def name(obj: Object) -> str:
    """The object's name; empty when it has none."""
    return _text(member(obj, "metadata", "name")) or ""


def namespace(obj: Object) -> str | None:
    """The object's namespace, if set."""
    return _text(member(obj, "metadata", "namespace"))


def label(obj: Object, key: str) -> str | None:
    """A label's value."""
    return _text(member(obj, "metadata", "labels", key))


def annotation(obj: Object, key: str) -> str | None:
    """An annotation's value."""
    return _text(member(obj, "metadata", "annotations", key))


def containers(pod: Object) -> Iterator[Found]:
    """All containers: init, regular, ephemeral."""
    for kind in CONTAINER_LISTS:
        items = member(pod, "spec", kind)
        for index, container in enumerate(items if isinstance(items, list) else []):
            if isinstance(container, dict):
                yield Found(kind, index, container)


def container_names(pod: Object) -> list[str]:
    """The names of all containers."""
    return [_text(found.container.get("name")) or "" for found in containers(pod)]


def is_windows(pod: Object) -> bool:
    """Returns whether a pod's containers run on Windows, by spec.os or by the node selector."""
    own = _text(member(pod, "spec", "os", "name"))
    chosen = _text(member(pod, "spec", "nodeSelector", "kubernetes.io/os"))
    return (chosen if own is None else own) == "windows"
