"""The functions of the host that a plugin may call. The component's entry puts them in place, in tests the fake host does."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol


class Cluster(Protocol):
    """What reads the cluster; what cannot be read is raised as :class:`trocar_sdk.cluster.ReadError`."""

    def get(self, api_version: str, kind: str, namespace: str | None, name: str, fields: list[str]) -> Any: ...

    def list_objects(
        self, api_version: str, kind: str, namespace: str | None, label_selector: str | None, limit: int | None,
        fields: list[str],
    ) -> list[Any]: ...


class Log(Protocol):
    """What writes a line."""

    def __call__(self, level: str, message: str) -> None: ...


@dataclass
class Host:
    """The functions of a host."""

    log: Log = lambda level, message: None
    cluster: Cluster | None = None


connected = Host()


def connect(host: Host) -> Host:
    """Installs the functions of a host, and returns the earlier ones."""
    global connected
    before, connected = connected, host
    return before
