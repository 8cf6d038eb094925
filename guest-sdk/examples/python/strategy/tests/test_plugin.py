import plugin
import pytest
from trocar_sdk import Failure
from trocar_sdk.testing import FakeHost

POD = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {"name": "web-0", "namespace": "shop", "labels": {"runtime": "java"}},
    "spec": {
        "containers": [
            {"name": "proxy", "image": "proxy:1"},
            {
                "name": "app",
                "image": "app:1",
                "volumeMounts": [
                    {"name": "heap", "mountPath": "/heap"},
                    {"name": "config", "mountPath": "/etc/app.conf", "subPath": "app.conf"},
                ],
            },
        ]
    },
}


def container(target=POD, **request):
    return FakeHost().make_plan(plugin, target, **request).steps[0].object


def test_a_java_pod_gets_the_tools_beside_its_first_container():
    made = container()
    assert made["image"] == "registry.example.com/debug/java:21"
    assert made["targetContainerName"] == "proxy"


def test_the_tools_are_those_of_the_flag_and_image_is_stronger():
    assert container(settings={"tools": "java:17"})["image"] == "java:17"
    assert container(settings={"tools": "java:17"}, options={"image": "busybox"})["image"] == "busybox"


def test_whole_volumes_of_the_container_of_target_are_mounted_to_read():
    made = container(options={"targetContainer": "app"})
    assert made["volumeMounts"] == [{"name": "heap", "mountPath": "/heap", "readOnly": True}]


def test_what_custom_says_holds():
    assert container(options={"custom": {"env": [{"name": "A", "value": "1"}]}})["env"] == [{"name": "A", "value": "1"}]


def test_another_pod_is_refused_with_the_place_of_its_label():
    with pytest.raises(Failure) as raised:
        container({**POD, "metadata": {"name": "db-0"}})
    assert raised.value.code == "not-java"
    assert raised.value.diagnostics[0].at == "/metadata/labels/runtime"
