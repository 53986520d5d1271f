"""The template: finished or made anew, and used whether Docker Hub answers or not."""

from collections.abc import Iterator
from pathlib import Path

import docker
import pytest

from lab.build import image as images
from lab.build import template
from lab.course import LABEL
from lab.lock import alone
from lab.machine import containers
from lab.machine.host import ensure_engine

pytestmark = [pytest.mark.machine, pytest.mark.timeout(300)]
IMAGES = """\
[[image]]
name = "tiny"
folder = "tiny"
tags = ["tiny:latest"]
args = { BASE = "debian:trixie-slim" }
"""


@pytest.fixture
def client(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[docker.DockerClient]:
    """The machine's engine, with one small course image; the real template is left alone."""
    (tmp_path / "tiny").mkdir()
    (tmp_path / "images.toml").write_text(IMAGES)
    (tmp_path / "tiny" / "Dockerfile").write_text('ARG BASE\nFROM ${BASE}\nCMD ["echo", "tiny"]\n')
    monkeypatch.setattr(template, "STANDINS", tmp_path)
    monkeypatch.setattr(template, "remove_all", lambda *_, **__: None)
    client = ensure_engine()
    yield client
    for hub in (True, False):
        for volume in client.volumes.list(filters={"name": template._volume(hub=hub)}):
            volume.remove(force=True)


def test_what_an_interrupted_run_left_is_made_anew(client: docker.DockerClient) -> None:
    image = images.ensure_lab_image(client, hub=False)
    unfinished = template._volume(hub=False)
    # as the run that was interrupted was: its container has a name that all share
    with alone("template"):
        client.volumes.create(unfinished, labels={LABEL: "template"})
        client.containers.create(
            image, ["true"], name=template.BUILDER, volumes={unfinished: {"bind": "/template"}}
        )
        assert not containers.has_file(client, image, unfinished, template.COMPLETE)

    assert template.ensure(client, image, hub=False) == unfinished
    assert containers.has_file(client, image, unfinished, template.COMPLETE)
    assert containers.find(client, template.BUILDER) is None

    made = client.volumes.get(unfinished).attrs["CreatedAt"]
    assert template.ensure(client, image, hub=True) == unfinished, (
        "a complete one is used, whatever answers today"
    )
    assert client.volumes.get(unfinished).attrs["CreatedAt"] == made
