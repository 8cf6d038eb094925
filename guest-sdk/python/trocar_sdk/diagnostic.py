"""Diagnostics and failures, which users see."""

from __future__ import annotations

from dataclasses import dataclass, field


def pointer(*parts: str | int) -> str:
    """Joins unescaped parts to a JSON Pointer (RFC 6901)."""
    return "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in parts)


@dataclass
class Diagnostic:
    """A diagnostic about a document."""

    severity: str
    code: str
    message: str
    at: str | None = None
    help: str | None = None

    @classmethod
    def error(cls, code: str, message: str, *, at: str | None = None, help: str | None = None) -> Diagnostic:
        """Something is wrong; the user has to change the request."""
        return cls("error", code, message, at, help)

    @classmethod
    def warning(cls, code: str, message: str, *, at: str | None = None, help: str | None = None) -> Diagnostic:
        """The debug goes on, but perhaps not as intended."""
        return cls("warning", code, message, at, help)

    @classmethod
    def info(cls, code: str, message: str, *, at: str | None = None, help: str | None = None) -> Diagnostic:
        """Worth knowing, shown unless the user asked for quiet."""
        return cls("info", code, message, at, help)


@dataclass
class Failure(Exception):
    """Why a plugin refuses to answer: raised. An ordinary refusal is a failure, never another exception."""

    kind: str
    code: str
    message: str
    diagnostics: list[Diagnostic] = field(default_factory=list)

    def __str__(self) -> str:
        return self.message

    @classmethod
    def invalid_request(cls, code: str, message: str, *diagnostics: Diagnostic) -> Failure:
        """The user's request cannot be fulfilled."""
        return cls("invalid-request", code, message, list(diagnostics))

    @classmethod
    def invalid_settings(cls, code: str, message: str, *diagnostics: Diagnostic) -> Failure:
        """The plugin's settings are wrong."""
        return cls("invalid-settings", code, message, list(diagnostics))

    @classmethod
    def unsupported_target(cls, message: str, *diagnostics: Diagnostic) -> Failure:
        """The plugin does not debug this kind of target."""
        return cls("unsupported-target", "unsupported-target", message, list(diagnostics))

    @classmethod
    def unavailable(cls, code: str, message: str, *diagnostics: Diagnostic) -> Failure:
        """Something that the plugin needs from the host is unavailable."""
        return cls("unavailable", code, message, list(diagnostics))
