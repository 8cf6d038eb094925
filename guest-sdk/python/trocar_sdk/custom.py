"""``--custom``: merging a partial container over a generated one, as Kubernetes' strategic merge does."""

from __future__ import annotations

from typing import Any

from .pod import Object

# The lists that are merged item by item, and the field that tells items apart. All other lists are replaced.
_MERGED_LISTS = {"env": "name", "ports": "containerPort", "volumeMounts": "mountPath", "volumeDevices": "devicePath"}
_WRITTEN_OUT = ("containerPort", "port")


def merge_custom(container: Object, custom: Object) -> None:
    """Merges a partial container over a container. As with kubectl, an empty value unsets nothing."""
    for field, given in custom.items():
        value = _without_empty(given, field == "securityContext")
        if value is None:
            continue
        key = _MERGED_LISTS.get(field)
        before = container.get(field)
        if key and isinstance(before, list) and isinstance(value, list):
            container[field] = _merge_list(before, value, key)
            if field == "ports":
                for port in container[field]:
                    port.setdefault("protocol", "TCP")
        else:
            container[field] = _merge_value(before, value)


def _merge_value(before: Any, value: Any) -> Any:
    if not isinstance(before, dict) or not isinstance(value, dict):
        return value
    merged = dict(before)
    for field, item in value.items():
        merged[field] = _merge_value(merged[field], item) if field in merged else item
    return merged


def _merge_list(before: list[Any], patch: list[Any], key: str) -> list[Any]:
    """Items of the patch keep their order; each item that only the old list has goes before the first item of the patch that
    stood after it in the old list, or else to the end."""
    patched: list[tuple[int | None, Any]] = []
    for item in patch:
        known = next((place for place, (_, other) in enumerate(patched) if other.get(key) == item.get(key)), None)
        if known is not None:
            patched[known] = (patched[known][0], _merge_value(patched[known][1], item))
            continue
        place = next((place for place, other in enumerate(before) if other.get(key) == item.get(key)), None)
        patched.append((place, _merge_value(None if place is None else before[place], item)))
    taken = {place for place, _ in patched}
    untouched = [place for place in range(len(before)) if place not in taken]
    merged = []
    for place, item in patched:
        while place is not None and untouched and untouched[0] < place:
            merged.append(before[untouched.pop(0)])
        merged.append(item)
    return merged + [before[place] for place in untouched]


def _without_empty(value: Any, keep_zero: bool) -> Any:
    """Drops what the typed API would not serialize: nulls, empty texts, lists and objects, and outside the
    security context also false and 0."""
    if isinstance(value, (bool, int, float)):
        return value if value or keep_zero else None
    if isinstance(value, list):
        items = [(_without_empty(item, keep_zero), item) for item in value]
        return [item if left is None else left for left, item in items] or None
    if isinstance(value, dict):
        kept = {field: _without_empty(item, keep_zero or field in _WRITTEN_OUT) for field, item in value.items()}
        return {field: left for field, left in kept.items() if left is not None} or None
    return value or None
