"""Debugs a pod with the label runtime=java: with an image of Java tools, in the process namespace of the program, and with the
volumes that the program mounts. A pure function: time and random suffix are data in the request."""

import json
from dataclasses import replace

from trocar_sdk import Diagnostic, Failure, Object, Plan, Request, containers, ephemeral_container, label, name, pointer

LABEL = "runtime"
TOOLS = "registry.example.com/debug/java:21"


def make_plan(request: Request) -> Plan:
    pod = request.pod()
    program = chosen_program(pod, request)
    typed = request.options
    target = typed.target_container or program.get("name")
    options = replace(typed, target_container=target, image=image(pod, request))
    return Plan.ephemeral_container(
        ephemeral_container(pod, options, request.context, lambda container: mount(program, container))
    )


def image(pod: Object, request: Request) -> str:
    """A typed image wins; else a Java pod gets the tools in the settings."""
    if request.options.image is not None:
        return request.options.image
    found = label(pod, LABEL)
    if found == "java":
        return str(request.settings.get("tools", TOOLS))
    place = Diagnostic.error(
        "not-java",
        f'it is {json.dumps(found)}, not "java"',
        at=pointer("metadata", "labels", LABEL),
        help="--image=IMAGE debugs it with other tools",
    )
    raise Failure.invalid_request("not-java", f"pod {json.dumps(name(pod))} is not labelled {LABEL}=java", place)


def chosen_program(pod: Object, request: Request) -> Object:
    """The container of --target, or the first that is not an init container."""
    known = [found.container for found in containers(pod) if found.kind == "containers"]
    typed = [container for container in known if container.get("name") == request.options.target_container]
    return (typed + known + [{}])[0]


def mount(program: Object, container: Object) -> None:
    """Copies mounts without those of a part of a volume (subPath), which an ephemeral container cannot have."""
    mounts = program.get("volumeMounts") or []
    whole = [mount for mount in mounts if not mount.get("subPath") and not mount.get("subPathExpr")]
    if whole:
        container["volumeMounts"] = [{**mount, "readOnly": True} for mount in whole]
