import plugin
from trocar_sdk import Amendment
from trocar_sdk.testing import FakeHost

TARGET = {"kind": "Pod", "metadata": {"name": "web-0", "namespace": "shop"}, "spec": {"containers": []}}
MIRRORS = {"docker.io": "mirror.example.com/hub"}
HOURS = {"from": 8, "to": 18}


def review(image="busybox:1.36", **more):
    plan = {
        "target": {"kind": "Pod", "namespace": "shop", "name": "web-0"},
        "steps": [{"action": "add-ephemeral-container", "object": {"name": "debugger", "image": image}}],
    }
    return FakeHost().review(plugin, plan, target=TARGET, **more)


def codes(decision):
    return [found.code for found in decision.diagnostics]


def test_an_image_of_a_registry_with_a_mirror_is_taken_from_there():
    decision = review(settings={"mirrors": MIRRORS})
    assert decision.verdict == "amend"
    wanted = Amendment("add", "/steps/0/object/image", "mirror.example.com/hub/library/busybox:1.36")
    assert decision.amendments == [wanted]


def test_what_is_in_the_mirror_already_stays_there():
    assert review("mirror.example.com/hub/tools:1", settings={"mirrors": MIRRORS}).verdict == "allow"


def test_an_image_that_is_none_is_denied():
    assert codes(review("NO/Image")) == ["image-invalid"]


def test_a_debug_happens_in_office_hours():
    def at(time):
        return review(settings={"hours": HOURS}, context={"time": time}).verdict

    assert at("2026-11-26T08:00:00Z") == "allow"
    assert at("2026-11-26T18:00:00Z") == "deny"
    assert at("2026-11-28T12:00:00Z") == "deny", "a Saturday"


def test_a_group_is_free_of_the_hours():
    asked = {"settings": {"hours": HOURS, "exceptGroups": ["sre"]}, "context": {"time": "2026-11-28T12:00:00Z"}}
    assert review(**asked, actor={"groups": ["sre", "dev"]}).verdict == "allow"
    assert codes(review(**asked, actor={"groups": ["dev"]})) == ["outside-hours"]


def test_settings_that_cannot_be_meant_are_told():
    settings = {"mirrors": {"docker.io": "mirror"}, "hours": {"from": 9, "to": 9}}
    found = FakeHost().check_settings(plugin, settings)
    wanted = [("invalid-mirror", "/mirrors/docker.io"), ("invalid-hours", "/hours/to")]
    assert [(diagnostic.code, diagnostic.at) for diagnostic in found] == wanted
