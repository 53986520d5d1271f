"""In grading a name of a course image means the image that the sandbox was made with."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from grader.checks import references

KNOWN = {
    "busybox": {"busybox:latest": "sha256:1", "busybox@sha256:9": "sha256:1"},
    "node": {"node:alpine": "sha256:2"},
}


@pytest.fixture
def template(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    path = tmp_path / "repositories.json"
    path.write_text(json.dumps({"Repositories": KNOWN}))
    monkeypatch.setattr(references, "TEMPLATE_IMAGES", path)
    references._template_images.cache_clear()
    yield
    references._template_images.cache_clear()


@pytest.mark.parametrize("ref", ["busybox", "busybox:latest", "docker.io/library/busybox"])
@pytest.mark.usefixtures("template")
def test_every_spelling_of_a_name_is_known(ref: str) -> None:
    assert references.genuine_id(ref) == "sha256:1"


@pytest.mark.parametrize("ref", ["me/app:1.0", "node:latest", "sha256:1"])
@pytest.mark.usefixtures("template")
def test_other_names_are_the_students_own(ref: str) -> None:
    assert references.genuine_id(ref) is None


def test_without_a_template_no_name_is_known() -> None:
    references._template_images.cache_clear()
    assert references.genuine_id("busybox") is None
