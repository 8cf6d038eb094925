"""The same inputs give the same answers as in the other SDKs: guest-sdk/vectors.json."""

import copy
import json
from pathlib import Path

import pytest
from trocar_sdk import (
    Context, DebugOptions, Failure, ImageReference, ephemeral_container, merge_custom, nearest, unused_name,
)

VECTORS = json.loads((Path(__file__).parents[2] / "vectors.json").read_text())


@pytest.mark.parametrize("case", VECTORS["images"], ids=lambda case: case["reference"][:40])
def test_an_image_is_read_as_the_other_sdks_read_it(case):
    image = ImageReference.parse(case["reference"])
    parts = image and {
        "registry": image.registry, "repository": image.repository, "tag": image.tag, "digest": image.digest,
        "text": str(image),
    }
    assert parts == case["parts"]


@pytest.mark.parametrize("case", VECTORS["mirrors"])
def test_an_image_on_a_mirror(case):
    image = ImageReference.parse(case["reference"])
    mirrored = image.with_registry(case["registry"], case["prefix"])
    assert (mirrored and str(mirrored)) == case["text"]


@pytest.mark.parametrize("case", VECTORS["names"])
def test_a_name_that_is_not_taken(case):
    assert unused_name(case["prefix"], case["suffix"], case["taken"]) == case["name"]


@pytest.mark.parametrize("case", VECTORS["nearest"])
def test_the_nearest_name(case):
    assert nearest(case["typed"], case["known"]) == case["name"]


@pytest.mark.parametrize("case", VECTORS["custom"])
def test_custom_is_merged(case):
    merged = copy.deepcopy(case["container"])
    merge_custom(merged, case["custom"])
    assert merged == case["merged"]


@pytest.mark.parametrize("case", VECTORS["ephemeral"])
def test_an_ephemeral_container(case):
    options = DebugOptions.from_document(case["options"])
    try:
        made = {"container": ephemeral_container(case["pod"], options, Context(suffix=case["suffix"]))}
    except Failure as failure:
        made = {"failure": {"code": failure.code, "message": failure.message}}
    assert made == {key: case[key] for key in made}
