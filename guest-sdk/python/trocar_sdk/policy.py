"""Reviews and decisions: the input and the answer of policies."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from .diagnostic import Diagnostic, pointer
from .options import Actor, Context, DebugOptions
from .pod import Object, containers, member, namespace


@dataclass
class PlannedContainer:
    """A container of a plan, with its position.

    ``before`` is the target's container of the same name, which a copy takes over; None for a new container.
    """

    container: Object
    kind: str
    before: Object | None
    place: str

    @property
    def name(self) -> str:
        """The container's name; empty when it has none."""
        return str(self.container.get("name", ""))

    @property
    def image(self) -> str:
        """The container's image; empty when it has none."""
        return str(self.container.get("image", ""))

    def at(self, *parts: str | int) -> str:
        """The pointer to a field of the container, given as unescaped parts, from the plan's root."""
        return self.place + pointer(*parts)

    def keeps(self, name: str) -> bool:
        """Returns whether the target has the same container with the same value of a field."""
        return self.before is not None and self.before.get(name) == self.container.get(name)


@dataclass
class Review:
    """A plan under review, with its context."""

    plan: Object
    target: Object = field(default_factory=dict)
    options: DebugOptions = field(default_factory=DebugOptions)
    actor: Actor = field(default_factory=Actor)
    settings: dict[str, Any] = field(default_factory=dict)
    context: Context = field(default_factory=Context)

    @property
    def namespace(self) -> str:
        """The namespace of the debug: the target's, or for a node that of the created pod."""
        of_plan = member(self.plan, "target", "namespace")
        return str(of_plan or namespace(self.target) or self.context.namespace)

    def containers(self) -> Iterator[PlannedContainer]:
        """The containers that the plan adds or copies from the target, in the plan's order."""
        for index, step in enumerate(self.plan.get("steps", [])):
            root = pointer("steps", index, "object")
            if step["action"] == "add-ephemeral-container":
                yield PlannedContainer(step["object"], "ephemeralContainers", None, root)
            elif step["action"] == "create-pod":
                for found in containers(step["object"]):
                    before = self._before(found.container.get("name"))
                    place = root + pointer("spec", found.kind, found.index)
                    yield PlannedContainer(found.container, found.kind, before, place)

    def _before(self, name: str | None) -> Object | None:
        if self.target.get("kind") != "Pod":
            return None
        found = next((known for known in containers(self.target) if known.container.get("name") == name), None)
        return None if found is None or found.kind == "ephemeralContainers" else found.container


@dataclass
class Amendment:
    """One change to a plan: an operation of JSON Patch (``add``, ``remove`` or ``replace``)."""

    operation: str
    at: str
    value: Any = None


@dataclass
class Decision:
    """A policy's decision. It starts as allow; amendments and denials that are added change it."""

    amendments: list[Amendment] = field(default_factory=list)
    diagnostics: list[Diagnostic] = field(default_factory=list)
    denied: bool = False

    @classmethod
    def allow(cls) -> Decision:
        """Allows the plan, unchanged."""
        return cls()

    def deny(self, why: Diagnostic) -> Decision:
        """Denies the plan. The diagnostic says why, and what would be allowed."""
        self.denied = True
        self.diagnostics.append(why)
        return self

    def set(self, at: str, value: Any, why: Diagnostic) -> Decision:
        """Sets a member, or replaces it; the diagnostic says why."""
        return self._amend(Amendment("add", at, value), why)

    def remove(self, at: str, why: Diagnostic) -> Decision:
        """Removes a member or a list item; the diagnostic says why."""
        return self._amend(Amendment("remove", at), why)

    def note(self, note: Diagnostic) -> Decision:
        """Adds a message for the user, whatever the verdict."""
        self.diagnostics.append(note)
        return self

    @property
    def verdict(self) -> str:
        """The verdict: allow, amend or deny."""
        if self.denied:
            return "deny"
        return "amend" if self.amendments else "allow"

    def _amend(self, amendment: Amendment, why: Diagnostic) -> Decision:
        why.at = why.at or amendment.at
        self.diagnostics.append(why)
        self.amendments.append(amendment)
        return self
