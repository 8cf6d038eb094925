"""Write debug strategies and policies for trocar.

A plugin is a pure function. A strategy (``make_plan``) turns a pod or node and what the user asked for into a plan; a policy
(``review``) allows, amends or denies a plan. Time, random suffix and user are data in the request.
"""

from . import cluster, log
from .custom import merge_custom
from .diagnostic import Diagnostic, Failure, pointer
from .image import ImageReference
from .names import nearest, quoted_list, unused_name
from .options import Actor, Context, DebugOptions, EnvVar
from .plan import Plan, Step, change_container, debug_container, ephemeral_container
from .pod import Object, annotation, container_names, containers, is_windows, label, name, namespace
from .policy import Amendment, Decision, PlannedContainer, Review
from .profile import apply_to_ephemeral
from .request import Request

__all__ = [
    "Actor", "Amendment", "Context", "DebugOptions", "Decision", "Diagnostic", "EnvVar", "Failure", "ImageReference",
    "Object", "Plan", "PlannedContainer", "Request", "Review", "Step", "annotation", "apply_to_ephemeral",
    "change_container", "cluster", "container_names", "containers", "debug_container", "ephemeral_container", "is_windows",
    "label", "log", "merge_custom", "name", "namespace", "nearest", "pointer", "quoted_list", "unused_name",
]
