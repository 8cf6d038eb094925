"""A fake host: calls a plugin as a component is called, through the texts of the contract, and keeps what it logged."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any, TypeVar

from . import contract
from .cluster import ReadError
from .diagnostic import Diagnostic
from .host import Host, connect
from .plan import Plan
from .pod import Object, name, namespace
from .policy import Decision

T = TypeVar("T")

_CONTEXT = {"namespace": "default", "suffix": "bbbbb", "time": "2026-01-01T00:00:00Z"}


@dataclass
class FakeHost:
    """A host for tests. ``objects`` are what can be read of the cluster; None for a plugin without cluster-read.

    Documents are given as JSON is: ``options={"image": "busybox", "targetContainer": "app"}``.
    """

    objects: list[Object] | None = None
    logged: list[tuple[str, str]] = field(default_factory=list)

    def make_plan(
        self, plugin: ModuleType, target: Object, *, options: Object | None = None, settings: Object | None = None,
        context: Object | None = None,
    ) -> Plan:
        """Asks a strategy for its plan; a failure is raised."""
        asked = (target, options or {}, settings or {}, {**_CONTEXT, **(context or {})})
        return self._call(lambda: contract.make_plan(plugin, *map(json.dumps, asked)))

    def review(
        self, plugin: ModuleType, plan: Object, *, target: Object | None = None, options: Object | None = None,
        actor: Object | None = None, settings: Object | None = None, context: Object | None = None,
    ) -> Decision:
        """Asks a policy about a plan; a failure is raised."""
        asked = (plan, target or {}, options or {}, {"user": "", **(actor or {})}, settings or {},
                 {**_CONTEXT, **(context or {})})
        return self._call(lambda: contract.review(plugin, *map(json.dumps, asked)))

    def check_settings(self, plugin: ModuleType, settings: Object) -> list[Diagnostic]:
        """Lets a plugin check settings."""
        return self._call(lambda: contract.check_settings(plugin, json.dumps(settings)))

    def _call(self, call: Callable[[], T]) -> T:
        cluster = None if self.objects is None else _FakeCluster(self.objects)
        before = connect(Host(lambda level, message: self.logged.append((level, message)), cluster))
        try:
            return call()
        finally:
            connect(before)


@dataclass
class _FakeCluster:
    objects: list[Object]

    def get(self, api_version: str, kind: str, of: str | None, wanted: str, fields: list[str]) -> Any:
        for found in self._of_kind(api_version, kind, of):
            if name(found) == wanted:
                return found
        raise ReadError("not-found")

    def list_objects(
        self, api_version: str, kind: str, of: str | None, label_selector: str | None, limit: int | None,
        fields: list[str],
    ) -> list[Any]:
        return self._of_kind(api_version, kind, of)[:limit]

    def _of_kind(self, api_version: str, kind: str, of: str | None) -> list[Object]:
        wanted = (api_version, kind)
        fitting = [found for found in self.objects if (found.get("apiVersion"), found.get("kind")) == wanted]
        return [found for found in fitting if of is None or namespace(found) == of]
