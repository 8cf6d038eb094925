"""Plans, the answers of strategies: steps, the container to attach to, diagnostics. And the debug container itself."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field

from .custom import merge_custom
from .diagnostic import Diagnostic, Failure
from .names import quoted_list, unused_name
from .options import Context, DebugOptions
from .pod import Object, container_names, is_windows
from .pod import name as name_of
from .profile import apply_to_ephemeral, remove_linux_fields


@dataclass
class Step:
    """A write that the strategy proposes."""

    action: str
    object: Object


@dataclass
class Plan:
    """A strategy's proposal. The host checks it, policies review it, and the host applies it."""

    steps: list[Step] = field(default_factory=list)
    attach: str | None = None
    diagnostics: list[Diagnostic] = field(default_factory=list)

    @classmethod
    def ephemeral_container(cls, container: Object) -> Plan:
        """Adds one ephemeral container to the target and attaches to it."""
        return cls([Step("add-ephemeral-container", container)], container["name"])

    @classmethod
    def create_pod(cls, pod: Object, attach: str | None = None) -> Plan:
        """Creates one pod and attaches to a container of it, where one is named."""
        return cls([Step("create-pod", pod)], attach)

    def then_delete_pod(self, name: str, grace_period_seconds: int | None = None) -> Plan:
        """Deletes the target pod next."""
        grace = {} if grace_period_seconds is None else {"gracePeriodSeconds": grace_period_seconds}
        self.steps.append(Step("delete-pod", {"name": name, **grace}))
        return self

    def tell(self, *diagnostics: Diagnostic) -> Plan:
        """Adds a message for the user."""
        self.diagnostics.extend(diagnostics)
        return self


def debug_container(name: str, options: DebugOptions) -> Object:
    """Generates a container with image, command, environment and terminal by the options: no profile, --target or --custom."""
    container: Object = {"name": name, "terminationMessagePolicy": "File"}
    _set_what_was_typed(container, options)
    return container


def change_container(container: Object, options: DebugOptions) -> None:
    """Applies the options to an existing container: image, command and environment if typed, the terminal always."""
    if options.args and not options.arguments_only:
        container.pop("args", None)
    _set_what_was_typed(container, options)


# The fields of a container that an ephemeral container must not have.
_NOT_EPHEMERAL = (
    "ports", "resources", "livenessProbe", "readinessProbe", "startupProbe", "restartPolicy", "restartPolicyRules",
    "resizePolicy",
)


def ephemeral_container(
    pod: Object, options: DebugOptions, context: Context, shape: Callable[[Object], None] = lambda _: None
) -> Object:
    """Generates the ephemeral container for the options: with an unused name, the profile, --target and --custom.

    ``shape`` may change the container before --custom is merged over it, so that what the user typed wins.
    """
    taken = container_names(pod)
    container = debug_container(_container_name(pod, options, context, taken), options)
    if options.target_container is not None:
        if options.target_container not in taken:
            raise Failure.invalid_request(
                "no-such-container",
                f"--target={options.target_container}: pod {json.dumps(name_of(pod))} has no such container; "
                f"it has {quoted_list(taken)}",
            )
        container["targetContainerName"] = options.target_container
    apply_to_ephemeral(options.profile, container)
    if is_windows(pod):
        remove_linux_fields(container)
    shape(container)
    if options.custom is not None:
        merge_custom(container, options.custom)
    refused = [name for name in _NOT_EPHEMERAL if name in container]
    if refused:
        message = f"--custom sets {quoted_list(refused)}, which an ephemeral container cannot have"
        raise Failure.invalid_request("custom-not-ephemeral", f"{message}; a copy of the pod can (--copy-to=NAME)")
    return container


def _container_name(pod: Object, options: DebugOptions, context: Context, taken: list[str]) -> str:
    if options.container is None:
        return unused_name("debugger", context.suffix, taken)
    if options.container not in taken:
        return options.container
    raise Failure.invalid_request(
        "container-name-taken",
        f"pod {json.dumps(name_of(pod))} already has a container named {json.dumps(options.container)}; "
        f"the names taken are {quoted_list(taken)}",
    )


def _set_what_was_typed(container: Object, options: DebugOptions) -> None:
    if options.image is not None:
        container["image"] = options.image
    if options.image_pull_policy is not None:
        container["imagePullPolicy"] = options.image_pull_policy
    if options.args:
        container["args" if options.arguments_only else "command"] = list(options.args)
    if options.env:
        container["env"] = [{"name": variable.name, "value": variable.value} for variable in options.env]
    for flag, is_wanted in (("stdin", options.stdin), ("tty", options.tty)):
        if is_wanted:
            container[flag] = True
        else:
            container.pop(flag, None)
    if options.stdin and options.stdin_once:
        container["stdinOnce"] = True
