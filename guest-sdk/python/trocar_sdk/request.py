"""Requests, the input of strategies."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from .diagnostic import Failure
from .options import Context, DebugOptions
from .pod import Object


@dataclass
class Request:
    """A request for a plan: the pod or node, what the user asked for, the plugin's settings, and time, namespace and suffix."""

    target: Object
    options: DebugOptions = field(default_factory=DebugOptions)
    settings: dict[str, Any] = field(default_factory=dict)
    context: Context = field(default_factory=Context)

    def pod(self) -> Object:
        """The target as a pod; fails if it is not one."""
        return self._expect("Pod")

    def node(self) -> Object:
        """The target as a node; fails if it is not one."""
        return self._expect("Node")

    def _expect(self, kind: str) -> Object:
        found = self.target.get("kind")
        if found != kind:
            raise Failure.unsupported_target(f"this strategy debugs a {kind}, not a {found}")
        return self.target
