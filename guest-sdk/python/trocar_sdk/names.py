"""Generated names that are not taken yet, and names in messages."""

from __future__ import annotations

import json
from collections.abc import Container, Iterable

# No vowels, so that no word comes out by accident, and nothing that looks like something else.
_ALPHABET = "bcdfghjklmnpqrstvwxz2456789"
_SUFFIX_LENGTH = 5
_MASK = (1 << 64) - 1


def _suffix(number: int) -> str:
    letters = ""
    for _ in range(_SUFFIX_LENGTH):
        number, place = divmod(number, len(_ALPHABET))
        letters += _ALPHABET[place]
    return letters


def unused_name(prefix: str, first: str, taken: Container[str]) -> str:
    """Generates ``prefix-first``, or if that is taken the next unused name in a fixed sequence."""
    name = f"{prefix}-{first}"
    state = 0xCBF29CE484222325
    for byte in first.encode():
        state = ((state ^ byte) * 0x100000001B3) & _MASK
    while name in taken:
        # A linear congruential step: every suffix comes up in the end, and always in the same order.
        state = (state * 6364136223846793005 + 1442695040888963407) & _MASK
        name = f"{prefix}-{_suffix(state >> 24)}"
    return name


def quoted_list(names: Iterable[str]) -> str:
    """Formats names as a list in prose: ``"a", "b" and "c"``; an empty list is ``none``."""
    quoted = [json.dumps(name, ensure_ascii=False) for name in names]
    if len(quoted) < 2:
        return quoted[0] if quoted else "none"
    return f"{', '.join(quoted[:-1])} and {quoted[-1]}"


def _distance(a: str, b: str) -> int:
    """Insertions, deletions, substitutions and swaps of neighbours."""
    rows = [list(range(len(b) + 1))]
    for i in range(1, len(a) + 1):
        rows.append([i])
        for j in range(1, len(b) + 1):
            change = 0 if a[i - 1] == b[j - 1] else 1
            best = min(rows[i - 1][j] + 1, rows[i][j - 1] + 1, rows[i - 1][j - 1] + change)
            if i > 1 and j > 1 and a[i - 1] == b[j - 2] and a[i - 2] == b[j - 1]:
                best = min(best, rows[i - 2][j - 2] + 1)
            rows[i].append(best)
    return rows[-1][-1]


def nearest(typed: str, known: Iterable[str]) -> str | None:
    """Finds the known name that a mistyped one most likely meant."""
    found = [(_distance(typed.lower(), name.lower()), name) for name in known]
    near = [(far, name) for far, name in found if far <= 1 + max(len(name), len(typed)) // 4]
    return min(near)[1] if near else None
