"""An image that a lab without Docker Hub does not have: which ones it has is said."""

import pytest

from lab.notebook import hub

from .conftest import RunCell

TAGS = {"library/python/tags/list": ["latest", "3.11"], "_catalog": ["library/python", "me/app"]}
SAID = "Docker Hub is not reached from this lab, which has "


@pytest.fixture
def without_hub(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hub, "_is_played", lambda: True)
    monkeypatch.setattr(hub, "_ask", lambda path, field: TAGS.get(path, []))


@pytest.mark.parametrize(
    ("printed", "says"),
    [
        (
            "Error response from daemon: manifest for python:3.12-slim not found: manifest unknown",
            "of `python` the tags 3.11, latest: take one of these.",
        ),
        (
            "ERROR: failed to solve: python:3: failed to resolve source metadata for"
            " docker.io/library/python:3: docker.io/library/python:3: not found",
            "of `python` the tags 3.11, latest",
        ),
        (
            "docker: Error response from daemon: pull access denied for fedora, repository does not"
            " exist or may require 'docker login'",
            "no `fedora`. It has python.",
        ),
    ],
)
@pytest.mark.usefixtures("without_hub")
def test_what_there_is_instead_is_said(cell: RunCell, printed: str, says: str) -> None:
    error = str(cell(f'%%shell\necho "{printed}" >&2\nexit 1').error)
    assert f"Try: {SAID}{says}" in error


@pytest.mark.usefixtures("without_hub")
def test_another_failure_is_another_matter(cell: RunCell) -> None:
    assert SAID not in str(cell("%%shell\necho no such file\nexit 1").error)


def test_where_the_hub_answers_nothing_is_added(
    cell: RunCell, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hub, "_is_played", lambda: False)
    assert SAID not in str(cell("%%shell\necho manifest for a:b not found\nexit 1").error)


@pytest.mark.engine
def test_in_a_lab_without_the_hub(cell: RunCell) -> None:
    if not hub._is_played():
        pytest.skip(reason="Docker Hub answers here, so the lab does not speak for it")
    for line in ("docker pull python:3.12-nosuch", "docker build - <<< 'FROM python:3.12-nosuch'"):
        assert f"{SAID}of `python` the tags " in str(cell(f"%%shell\n{line}").error)
    assert "no `fedora`. It has alpine, " in str(cell("%%shell\ndocker run --rm fedora").error)
