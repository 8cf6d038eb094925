"""The documents beside the target: the user's options, the user, and time and random suffix, as data.

Fields that a newer host sends are ignored.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import Any, TypeVar

T = TypeVar("T")


def camel(name: str) -> str:
    """The name of a field in a document."""
    first, *rest = name.split("_")
    return first + "".join(part.capitalize() for part in rest)


def from_document(kind: type[T], document: dict[str, Any]) -> T:
    """Reads the fields of a dataclass from a document."""
    known = {known.name: camel(known.name) for known in fields(kind)}  # type: ignore[arg-type]
    return kind(**{name: document[key] for name, key in known.items() if document.get(key) is not None})


@dataclass
class EnvVar:
    """One environment variable."""

    name: str
    value: str


@dataclass
class DebugOptions:
    """The user's options: the flags of ``trocar debug``, as data."""

    image: str | None = None
    args: list[str] = field(default_factory=list)
    arguments_only: bool = False
    env: list[EnvVar] = field(default_factory=list)
    container: str | None = None
    target_container: str | None = None
    stdin: bool = False
    stdin_once: bool = False
    tty: bool = False
    image_pull_policy: str | None = None
    profile: str = "general"
    custom: dict[str, Any] | None = None
    copy_to: str | None = None
    replace: bool = False
    same_node: bool = False
    share_processes: bool | None = None
    set_image: dict[str, str] = field(default_factory=dict)
    keep: dict[str, bool] = field(default_factory=dict)
    inherit: dict[str, Any] = field(default_factory=dict)
    as_root: bool = False
    pull_secrets: list[str] = field(default_factory=list)
    priority_class: str | None = None
    tolerate_all: bool = False
    #: The document itself, also with what a newer host sends.
    document: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def from_document(cls, document: dict[str, Any]) -> DebugOptions:
        """Reads a DebugOptions document."""
        options = from_document(cls, document)
        options.document = document
        options.env = [EnvVar(variable["name"], variable["value"]) for variable in document.get("env", [])]
        return options


@dataclass
class Context:
    """Time and random suffix as data, since a plugin has no clock and no random numbers."""

    namespace: str = "default"
    suffix: str = "bbbbb"
    time: str = "2026-01-01T00:00:00Z"


@dataclass
class Actor:
    """The user and the reason of the debug. Never has credentials."""

    user: str = ""
    groups: list[str] = field(default_factory=list)
    context: str | None = None
    cluster: str | None = None
    reason: str | None = None
