"""The log, which users see with a higher verbosity."""

from . import host


def trace(message: str) -> None:
    """Single steps of the plugin."""
    host.connected.log("trace", message)


def debug(message: str) -> None:
    """For the plugin's author."""
    host.connected.log("debug", message)


def info(message: str) -> None:
    """For users who want to know how a plan came about."""
    host.connected.log("info", message)


def warn(message: str) -> None:
    """Possibly an error."""
    host.connected.log("warn", message)


def error(message: str) -> None:
    """An error; shown as the reason if the plugin traps next."""
    host.connected.log("error", message)
