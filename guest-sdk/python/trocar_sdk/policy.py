"""What a policy is asked and what it answers: the plan under review with views of its containers, and decisions."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from .diagnostic import Diagnostic, pointer
from .options import Actor, Context, DebugOptions
from .pod import Object, containers, member, namespace


@dataclass
class PlannedContainer:
    """A container of a plan, and where it stands.

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
        """Says whether the target has the same container with the same value of a field."""
        return self.before is not None and self.before.get(name) == self.container.get(name)


@dataclass
class Review:
    """A plan under review, and everything that a policy may judge it by."""

    plan: Object
    target: Object = field(default_factory=dict)
    options: DebugOptions = field(default_factory=DebugOptions)
    actor: Actor = field(default_factory=Actor)
    settings: dict[str, Any] = field(default_factory=dict)
    context: Context = field(default_factory=Context)

    @property
    def namespace(self) -> str:
        """The namespace in which the debug happens: the target's, or for a node that of the pod that is created."""
        of_plan = member(self.plan, "target", "namespace")
        return str(of_plan or namespace(self.target) or self.context.namespace)

    def containers(self) -> Iterator[PlannedContainer]:
        """The containers that the plan makes or takes over from the target, in the plan's order."""
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
    """What a policy says about a plan. Starts as allowing it; what is added makes it an amendment or a denial."""

    amendments: list[Amendment] = field(default_factory=list)
    diagnostics: list[Diagnostic] = field(default_factory=list)
    denied: bool = False

    @classmethod
    def allow(cls) -> Decision:
        """The plan may go ahead as it is."""
        return cls()

    def deny(self, why: Diagnostic) -> Decision:
        """The plan may not go ahead; the diagnostic says why and what would be allowed."""
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
        """Says something that people should know, whatever the verdict."""
        self.diagnostics.append(note)
        return self

    @property
    def verdict(self) -> str:
        """What the decision comes to: allow, amend or deny."""
        if self.denied:
            return "deny"
        return "amend" if self.amendments else "allow"

    def _amend(self, amendment: Amendment, why: Diagnostic) -> Decision:
        why.at = why.at or amendment.at
        self.diagnostics.append(why)
        self.amendments.append(amendment)
        return self
