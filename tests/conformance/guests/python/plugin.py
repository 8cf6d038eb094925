"""The guest of the conformance suite in Python, with the SDK. What it does is said in tests/conformance/README.md."""

import json

from trocar_sdk import Decision, Diagnostic, Failure, Plan, log


def every_severity():
    return [
        Diagnostic.error("first-code", "an error \U0001d11e", at="/metadata/name", help="change it"),
        Diagnostic.warning("second-code", "a warning", help="perhaps"),
        Diagnostic.info("third-code", "an information", at="/spec"),
    ]


def common(settings):
    """What both interfaces do alike."""
    order = settings.get("do")
    if order == "fail":
        raise Failure(settings["kind"], "told", "why not \U0001d11e", every_severity())
    if order == "log":
        log.trace("a trace \U0001d11e")
        log.debug("for debugging")
        log.info("an information")
        log.warn("a warning")
        log.error("an error")
    if order == "trap":
        raise RuntimeError("the reason of the trap")
    if order == "loop":
        while True:
            pass
    if order == "grow":
        taken = []
        while True:
            taken.append(bytearray(1 << 20))


calls = 0


def make_plan(request):
    global calls
    calls += 1
    settings = request.settings
    common(settings)
    variables = {
        "echo": {
            "TARGET": json.dumps(request.target),
            "OPTIONS": json.dumps(request.options.document),
            "SETTINGS": json.dumps(settings),
            "CONTEXT": json.dumps(vars(request.context)),
        },
        "count": {"CALLS": str(calls)},
        "big": {"BIG": "x" * (5 << 20)},
    }.get(settings.get("do"), {})
    env = [{"name": name, "value": value} for name, value in variables.items()]
    plan = Plan.ephemeral_container({"name": "echo", "image": "busybox", "env": env})
    return plan.tell(*every_severity()) if settings.get("do") == "tell" else plan


def review(review):
    settings = review.settings
    common(settings)
    decision = Decision.allow()
    if settings.get("do") == "deny":
        for found in every_severity():
            decision.deny(found)
    if settings.get("do") == "read" and review.actor.reason != settings["text"]:
        decision.deny(Diagnostic.error("not-read", "the reason is another"))
    if settings.get("do") == "amend":
        for container in review.containers():
            if container.image != "mirror.example.com/busybox":
                image = "mirror.example.com/busybox"
                decision.set(container.at("image"), image, Diagnostic.info("mirrored", "from the mirror"))
                decision.remove(container.at("tty"), Diagnostic.info("mirrored", "from the mirror"))
    return decision


def check_settings(settings):
    return every_severity() if settings.get("do") == "wrong" else []
