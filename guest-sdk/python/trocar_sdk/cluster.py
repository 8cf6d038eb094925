"""Reading the cluster: the capability ``cluster-read``, which a manifest declares and a user grants."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from . import host


class ReadError(Exception):
    """Why a read failed. ``kind``: out-of-scope, not-found, forbidden, unavailable or too-large."""

    def __init__(self, kind: str, detail: str | int | None = None) -> None:
        super().__init__(kind if detail is None else f"{kind}: {detail}")
        self.kind = kind
        self.detail = detail


def _connected() -> host.Cluster:
    if host.connected.cluster is None:
        raise ReadError("unavailable", "the manifest of the plugin asks for no cluster-read")
    return host.connected.cluster


def get(api_version: str, kind: str, name: str, *, namespace: str | None = None, fields: Sequence[str] = ()) -> Any:
    """Reads an object, or only its parts at these JSON Pointers."""
    return _connected().get(api_version, kind, namespace, name, list(fields))


def list_objects(
    api_version: str, kind: str, *, namespace: str | None = None, label_selector: str | None = None,
    limit: int | None = None, fields: Sequence[str] = (),
) -> list[Any]:
    """Reads the objects that match."""
    return _connected().list_objects(api_version, kind, namespace, label_selector, limit, list(fields))
