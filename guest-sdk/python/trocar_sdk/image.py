"""Image references: validity and parts.

The grammar is that of ``kubectl debug --image``; short names are read as the container runtimes of Kubernetes read them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

_DOCKER_HUB = "docker.io"
_COMPONENT = re.compile(r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*")
_LABEL = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?")
_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}")
_DIGEST = re.compile(r"[A-Za-z][A-Za-z0-9]*(?:[-_+.][A-Za-z][A-Za-z0-9]*)*:[0-9a-fA-F]{32,}")
_PORT = re.compile(r"(?::[0-9]+)?")
_ADDRESS = re.compile(r"\[[0-9a-fA-F:]+\](.*)", re.DOTALL)


@dataclass(frozen=True)
class ImageReference:
    """An image reference, split into its parts."""

    domain: str | None
    path: str
    tag: str | None = None
    digest: str | None = None

    @classmethod
    def parse(cls, reference: str) -> ImageReference | None:
        """Parses a reference; None if it is invalid."""
        rest, at, digest = reference.partition("@")
        last = rest.rfind("/") + 1
        name, colon, tag = rest[last:].rpartition(":")
        full = rest[:last] + name if colon else rest
        if (at and not _DIGEST.fullmatch(digest)) or (colon and not _TAG.fullmatch(tag)):
            return None
        parts = (tag if colon else None, digest if at else None)
        first, slash, path = full.partition("/")
        if slash and _is_domain(first) and _are_components(path):
            return cls(first, path, *parts)
        return cls(None, full, *parts) if _are_components(full) else None

    @property
    def registry(self) -> str:
        """The registry that a container runtime pulls from, in lower case."""
        host = (self._host or _DOCKER_HUB).lower()
        return _DOCKER_HUB if host == "index.docker.io" else host

    @property
    def repository(self) -> str:
        """The repository in that registry: on Docker Hub, images of one part are in ``library``."""
        path = f"{self.domain}/{self.path}" if self.domain and not self._host else self.path
        return f"library/{path}" if self.registry == _DOCKER_HUB and "/" not in path else path

    def with_registry(self, registry: str, prefix: str = "") -> ImageReference | None:
        """The same image on a mirror: the repository below a prefix, tag and digest kept. None when either is not valid."""
        if not _is_domain(registry) or not _is_host(registry) or (prefix and not _are_components(prefix)):
            return None
        path = f"{prefix}/{self.repository}" if prefix else self.repository
        return ImageReference(registry, path, self.tag, self.digest)

    def __str__(self) -> str:
        domain = f"{self.domain}/" if self.domain is not None else ""
        tag = f":{self.tag}" if self.tag is not None else ""
        digest = f"@{self.digest}" if self.digest is not None else ""
        return domain + self.path + tag + digest

    @property
    def _host(self) -> str | None:
        return self.domain if self.domain is not None and _is_host(self.domain) else None


def _is_host(domain: str) -> bool:
    """All else is the first part of a repository on Docker Hub."""
    return "." in domain or ":" in domain or domain == "localhost" or any(letter.isupper() for letter in domain)


def _are_components(path: str) -> bool:
    return all(_COMPONENT.fullmatch(part) for part in path.split("/"))


def _is_domain(domain: str) -> bool:
    address = _ADDRESS.fullmatch(domain)
    if address:
        return _PORT.fullmatch(address[1]) is not None
    host, colon, port = domain.partition(":")
    return _PORT.fullmatch(colon + port) is not None and all(_LABEL.fullmatch(part) for part in host.split("."))
