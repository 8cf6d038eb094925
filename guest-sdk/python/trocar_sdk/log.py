"""Lines for the person who runs the plugin with a higher verbosity."""

from . import host


def trace(message: str) -> None:
    """Every step."""
    host.connected.log("trace", message)


def debug(message: str) -> None:
    """For the plugin's author."""
    host.connected.log("debug", message)


def info(message: str) -> None:
    """For the curious user."""
    host.connected.log("info", message)


def warn(message: str) -> None:
    """Perhaps a mistake."""
    host.connected.log("warn", message)


def error(message: str) -> None:
    """A mistake; shown as the reason if the plugin traps next."""
    host.connected.log("error", message)
