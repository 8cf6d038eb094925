"""From the texts of the contract to a plugin's functions and back, without anything of WebAssembly."""

from __future__ import annotations

import json
from collections.abc import Callable
from types import ModuleType
from typing import TypeVar, cast

from . import log
from .diagnostic import Diagnostic, Failure
from .options import Actor, Context, DebugOptions, from_document
from .plan import Plan
from .policy import Decision, Review
from .request import Request


T = TypeVar("T")


def make_plan(plugin: ModuleType, target: str, options: str, settings: str, context: str) -> Plan:
    """Asks a strategy for its plan. What the plugin raises besides a failure is a bug: told in the log, and raised again."""
    return _told(lambda: cast(Plan, plugin.make_plan(Request(
        json.loads(target),
        DebugOptions.from_document(json.loads(options)),
        json.loads(settings or "{}"),
        from_document(Context, json.loads(context)),
    ))))


def review(
    plugin: ModuleType, plan: str, target: str, options: str, actor: str, settings: str, context: str
) -> Decision:
    """Asks a policy about a plan."""
    return _told(lambda: cast(Decision, plugin.review(Review(
        json.loads(plan),
        json.loads(target),
        DebugOptions.from_document(json.loads(options)),
        from_document(Actor, json.loads(actor)),
        json.loads(settings or "{}"),
        from_document(Context, json.loads(context)),
    ))))


def check_settings(plugin: ModuleType, settings: str) -> list[Diagnostic]:
    """Lets a plugin check settings, where it has a function for that."""
    check = getattr(plugin, "check_settings", None)
    return _told(lambda: cast(list[Diagnostic], check(json.loads(settings or "{}")))) if check else []


def _told(call: Callable[[], T]) -> T:
    try:
        return call()
    except Failure:
        raise
    except BaseException as error:
        log.error(_reason(error))
        raise


def _reason(error: BaseException) -> str:
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    place = f" ({trace.tb_frame.f_code.co_filename.rsplit('/', 1)[-1]}:{trace.tb_lineno})" if trace else ""
    return f"{type(error).__name__}: {error}{place}"
