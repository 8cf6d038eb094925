"""The WebAssembly side: the classes that componentize-py exports. The entry of a component calls this; authors do not.

The bindings are only there while a component is made, so they are imported where they are needed.
"""

from __future__ import annotations

import _strptime  # noqa: F401  what datetime.strptime loads when it is first called, which is too late in a component
import json
from types import ModuleType
from typing import Any

from . import contract
from .cluster import ReadError
from .diagnostic import Diagnostic, Failure
from .host import Host, connect


def strategy(plugin: ModuleType) -> type:
    """The exports of a strategy: ``make_plan(request)``, and ``check_settings(settings)`` where the plugin has it."""
    _required(plugin, "make_plan", "strategy")
    from wit_world.exports import strategy as abi

    def make_plan(_: Any, request: Any) -> Any:
        made = _guarded(lambda: contract.make_plan(
            plugin, request.target, request.options, request.settings, request.context
        ))
        steps = [abi.Step(step.action, json.dumps(step.object)) for step in made.steps]
        return abi.Plan(steps, made.attach, [_diagnostic(found) for found in made.diagnostics])

    return _exports("Strategy", plugin, make_plan=make_plan)


def policy(plugin: ModuleType) -> type:
    """The exports of a policy: ``review(review)``, and ``check_settings(settings)`` where the plugin has it."""
    _required(plugin, "review", "policy")
    from wit_world.exports import policy as abi

    def amendment(made: Any) -> Any:
        value = None if made.operation == "remove" else json.dumps(made.value)
        return abi.Amendment(abi.Operation[made.operation.upper()], made.at, value)

    def evaluate(_: Any, asked: Any) -> Any:
        made = _guarded(lambda: contract.review(
            plugin, asked.plan, asked.target, asked.options, asked.actor, asked.settings, asked.context
        ))
        verdicts = {
            "allow": abi.Verdict_Allow,
            "deny": abi.Verdict_Deny,
            "amend": lambda: abi.Verdict_Amend([amendment(change) for change in made.amendments]),
        }
        return abi.Decision(verdicts[made.verdict](), [_diagnostic(found) for found in made.diagnostics])

    return _exports("Policy", plugin, evaluate=evaluate)


def _exports(name: str, plugin: ModuleType, **functions: Any) -> type:
    _connect()

    def validate_settings(_: Any, settings: str) -> list[Any]:
        found = _guarded(lambda: contract.check_settings(plugin, settings))
        return [_diagnostic(diagnostic) for diagnostic in found]

    return type(name, (), {"validate_settings": validate_settings, **functions})


def _required(plugin: ModuleType, name: str, kind: str) -> None:
    if not callable(getattr(plugin, name, None)):
        raise SystemExit(f"plugin.py must have a function {name}: plugin.yaml says that it is a {kind}")


def _connect() -> None:
    from wit_world.imports import log as abi

    def log(level: str, message: str) -> None:
        abi.log(abi.Level[level.upper()], message)

    connect(Host(log, _cluster()))


def _cluster() -> Any:
    try:
        from wit_world.imports import cluster as abi
    except ImportError:
        return None
    from componentize_py_types import Err

    kinds = {
        abi.ReadError_OutOfScope: "out-of-scope",
        abi.ReadError_NotFound: "not-found",
        abi.ReadError_Forbidden: "forbidden",
        abi.ReadError_Unavailable: "unavailable",
        abi.ReadError_TooLarge: "too-large",
    }

    def asked(call: Any) -> Any:
        try:
            return call()
        except Err as error:
            raise ReadError(kinds[type(error.value)], getattr(error.value, "value", None)) from None

    class Cluster:
        def get(self, api_version: str, kind: str, namespace: Any, name: str, fields: Any) -> Any:
            return json.loads(asked(lambda: abi.get(abi.ObjectRef(api_version, kind, namespace, name), fields)))

        def list_objects(self, *query: Any) -> Any:
            return [json.loads(text) for text in asked(lambda: abi.list(abi.Query(*query)))]

    return Cluster()


def _guarded(call: Any) -> Any:
    """A failure is an answer; everything else that is raised ends the call."""
    from componentize_py_types import Err
    from wit_world.imports import types as abi

    try:
        return call()
    except Failure as failure:
        kind = abi.FailureKind[failure.kind.replace("-", "_").upper()]
        diagnostics = [_diagnostic(found) for found in failure.diagnostics]
        raise Err(abi.Failure(kind, failure.code, failure.message, diagnostics)) from None


def _diagnostic(found: Diagnostic) -> Any:
    from wit_world.imports import types as abi

    return abi.Diagnostic(abi.Severity[found.severity.upper()], found.code, found.at, found.message, found.help)
