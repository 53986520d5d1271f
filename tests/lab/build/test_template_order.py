"""Course images are made side by side, each after the one that it is built on."""

import threading

import pytest

from lab.build.template import AT_ONCE, CourseImage, course_images, names, side_by_side


def image(name: str, base: str = "debian:trixie-slim") -> CourseImage:
    return CourseImage(name, name, (f"{name}:latest", f"{name}:slim"), {"BASE": base})


BASE = CourseImage("debian", "debian", ("debian:trixie-slim",), {"BASE": "debian:trixie-slim"})
IMAGES = [BASE, image("common"), *(image(name, "common:latest") for name in "abcdef")]


def test_an_image_waits_for_its_base_and_for_no_other() -> None:
    made: list[str] = []
    together = threading.Barrier(AT_ONCE, timeout=20)

    def work(one: CourseImage) -> None:
        if one.args["BASE"] == "common:latest":
            # passes only with this many at the same time
            together.wait()
        made.append(one.name)

    assert {one.name for one in side_by_side(IMAGES, work)} == {one.name for one in IMAGES}
    assert made[:2] == ["debian", "common"]
    assert sorted(made[2:]) == list("abcdef")


def test_the_first_error_is_raised_and_nothing_is_begun_after_it() -> None:
    tried: list[str] = []

    def work(one: CourseImage) -> None:
        tried.append(one.name)
        if one.name == "common":
            raise ValueError("no space left")

    with pytest.raises(ValueError, match="no space left"):
        list(side_by_side(IMAGES, work))
    assert tried == ["debian", "common"]


def test_what_buildkit_fetches_is_in_the_registry_alone() -> None:
    images = {image.name: image for image in course_images()}
    for hub in (True, False):
        assert images["dockerfile"].pushed(hub=hub) == images["dockerfile"].tags
        assert images["dockerfile"].offered(hub=hub) == images["base"].pushed(hub=hub) == ()
    assert images["node"].pushed(hub=True) == images["node"].offered(hub=True) == ("node:alpine",)
    assert not {"base", "dockerfile"} & set(names())
