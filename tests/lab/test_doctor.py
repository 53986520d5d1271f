"""What `bin/lab doctor` says of a lab image by the age of its packages."""

import time
from types import SimpleNamespace
from typing import Any

import pytest
from docker.errors import ImageNotFound

from lab import doctor

DAY = 24 * 3600


def client(history: Any) -> Any:
    """An engine that knows this of each image."""

    def ask(name: str) -> Any:
        if history is None:
            raise ImageNotFound(name)
        return history

    return SimpleNamespace(api=SimpleNamespace(history=ask))


def layers(days: float) -> list[dict[str, Any]]:
    """A course made today on packages of that age."""
    now = int(time.time())
    return [
        {"Created": now, "CreatedBy": "COPY course /opt/course"},
        {"Created": now - int(days * DAY), "CreatedBy": "RUN apt-get update && apt-get install"},
        {"Created": now - 900 * DAY, "CreatedBy": "debuerreotype"},
    ]


@pytest.mark.parametrize(("days", "state"), [(1, "ok"), (90, "ok"), (92, "note")])
def test_age_of_the_packages_is_said(days: int, state: str) -> None:
    (finding,) = doctor._image(client(layers(days + 0.1)))
    assert (finding.state, f"{days} days" in finding.found) == (state, True)
    assert ("bin/lab up" in finding.todo) == (state == "note")


def test_image_that_is_not_there_has_no_age() -> None:
    assert doctor._image(client(None)) == []
