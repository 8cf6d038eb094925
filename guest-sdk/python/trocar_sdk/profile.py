"""The security presets of ``--profile`` for an ephemeral container, as pure functions."""

from __future__ import annotations

from typing import Any

from .pod import Object

_CAPABILITIES = {"general": ["SYS_PTRACE"], "netadmin": ["NET_ADMIN", "NET_RAW"]}

# The fields of a container's security context that the API server refuses in a Windows pod.
_OF_LINUX = (
    "allowPrivilegeEscalation", "appArmorProfile", "capabilities", "privileged", "procMount", "readOnlyRootFilesystem",
    "runAsGroup", "runAsUser", "seLinuxOptions", "seccompProfile",
)


def _object(parent: Object, field: str) -> dict[str, Any]:
    value = parent.get(field)
    if not isinstance(value, dict):
        value = parent[field] = {}
    return value


def apply_to_ephemeral(profile: str, container: Object) -> None:
    """Applies a profile to an ephemeral container."""
    if profile in _CAPABILITIES:
        capabilities = _object(_object(container, "securityContext"), "capabilities")
        before = capabilities.get("add")
        capabilities["add"] = (before if isinstance(before, list) else []) + _CAPABILITIES[profile]
    elif profile == "sysadmin":
        _object(container, "securityContext")["privileged"] = True
    elif profile == "baseline":
        container.pop("securityContext", None)
    elif profile == "restricted":
        container["securityContext"] = {
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
            "runAsNonRoot": True,
            "seccompProfile": {"type": "RuntimeDefault"},
        }


def remove_linux_fields(container: Object) -> None:
    """Removes fields from a container that only Linux supports, for a Windows pod."""
    context = container.get("securityContext")
    if not isinstance(context, dict):
        return
    for field in _OF_LINUX:
        context.pop(field, None)
    if not context:
        del container["securityContext"]
