"""The fake host: what plugins see of a host, and how their errors are reported."""

from types import ModuleType, SimpleNamespace
from typing import cast

import pytest
from trocar_sdk import Decision, Diagnostic, Plan, cluster, log
from trocar_sdk.testing import FakeHost

POD = {"kind": "Pod", "metadata": {"name": "web"}}


def plugin(**functions) -> ModuleType:
    return cast(ModuleType, SimpleNamespace(**functions))


def test_what_is_logged_is_kept_with_its_level():
    def make_plan(request):
        log.debug(request.options.image)
        return Plan()

    host = FakeHost()
    host.make_plan(plugin(make_plan=make_plan), POD, options={"image": "busybox", "newerField": 1})
    assert host.logged == [("debug", "busybox")]


def test_a_bug_is_told_in_the_log_with_its_place_and_raised():
    host = FakeHost()
    with pytest.raises(KeyError):
        host.make_plan(plugin(make_plan=lambda request: request.settings["none"]), POD)
    [(level, message)] = host.logged
    assert level == "error" and message.startswith("KeyError: 'none' (test_host.py:")


def test_the_cluster_is_read_where_there_is_one():
    namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop"}}
    asking = plugin(make_plan=lambda request: Plan(attach=cluster.get("v1", "Namespace", "shop")["metadata"]["name"]))
    assert FakeHost(objects=[namespace]).make_plan(asking, POD).attach == "shop"
    for host, kind in [(FakeHost(objects=[]), "not-found"), (FakeHost(), "unavailable")]:
        with pytest.raises(cluster.ReadError) as raised:
            host.make_plan(asking, POD)
        assert raised.value.kind == kind


def test_a_decision_is_a_denial_before_it_is_an_amendment():
    why = Diagnostic.info("code", "message")
    decision = Decision.allow()
    assert decision.verdict == "allow"
    assert decision.set("/steps/0/object/tty", False, why).verdict == "amend"
    assert why.at == "/steps/0/object/tty"
    assert decision.deny(Diagnostic.error("code", "message")).verdict == "deny"


def test_a_container_of_a_copy_knows_what_it_was():
    kept, changed = {"name": "app", "image": "a"}, {"name": "side", "image": "new"}
    target = {"kind": "Pod", "metadata": {"name": "web"}, "spec": {"containers": [kept, {"name": "side", "image": "b"}]}}
    copy = {"kind": "Pod", "spec": {"containers": [kept, changed]}}
    found = []

    def review(review):
        found.extend((container.at("image"), container.keeps("image")) for container in review.containers())
        return Decision.allow()

    FakeHost().review(plugin(review=review), {"steps": [{"action": "create-pod", "object": copy}]}, target=target)
    root = "/steps/0/object/spec/containers"
    assert found == [(f"{root}/0/image", True), (f"{root}/1/image", False)]
