"""A Dockerfile that names its frontend, as most do, builds with Docker Hub and without."""

from pathlib import Path
from typing import Any

import pytest

from .test_course_images import only_stand_ins

pytestmark = [pytest.mark.engine, pytest.mark.timeout(180)]
VERSIONS = ["1", "1.4", "1.7.1", "latest", "1-labs", "1.7-labs"]
HEREDOC = "FROM busybox\nRUN <<EOF\nprintf made-\nprintf here\nEOF\n"
GONE = "cannot be pulled, because this lab does not reach Docker Hub"


def build(docker: Any, dockerfile: str, *options: str) -> Any:
    return docker("build", "--progress", "plain", "--no-cache", *options, "-", stdin=dockerfile)


@pytest.mark.parametrize("version", VERSIONS)
def test_it_builds(version: str, docker: Any) -> None:
    said = build(docker, f"# syntax=docker/dockerfile:{version}\n{HEREDOC}")
    assert said.status == 0, said.text
    assert "made-here" in said.text


def test_options_of_the_build_reach_it(docker: Any, tmp_path: Path) -> None:
    dockerfile = (
        "# syntax=docker/dockerfile:1\nFROM busybox AS one\nARG WORD\nRUN echo word-$WORD\n"
        "COPY --from=other /page /\nRUN cat /page\nFROM one AS two\nRUN echo never\n"
    )
    (tmp_path / "page").write_text("a-named-context\n")
    context = ["--build-context", f"other={tmp_path}"]
    said = build(docker, dockerfile, "--target", "one", "--build-arg", "WORD=x", *context)
    assert said.status == 0, said.text
    assert "word-x" in said.text
    assert "a-named-context" in said.text
    assert "never" not in said.text


def test_compose_builds(docker: Any, tmp_path: Path) -> None:
    (tmp_path / "compose.yaml").write_text("services: {one: {image: test/composed, build: .}}\n")
    (tmp_path / "Dockerfile").write_text(f"# syntax=docker/dockerfile:1\n{HEREDOC}")
    said = docker("compose", "--project-directory", str(tmp_path), "build")
    docker("image", "rm", "test/composed")
    assert said.status == 0, said.text


@pytest.mark.parametrize(
    ("instruction", "error"),
    [
        ("RUNN true", "unknown instruction: RUNN (did you mean RUN?)"),
        ("RUN exit 7", 'process "/bin/sh -c exit 7" did not complete successfully: exit code: 7'),
    ],
)
def test_errors_are_those_without_the_line(instruction: str, error: str, docker: Any) -> None:
    said = build(docker, f"# syntax=docker/dockerfile:1\nFROM busybox\n{instruction}\n")
    assert said.status == 1
    assert f">>> {instruction}" in said.text
    assert error in said.text
    assert GONE not in said.text


@only_stand_ins
def test_what_is_missing_without_the_hub_is_said(docker: Any) -> None:
    said = build(docker, "# syntax=docker/dockerfile:1-labs\nFROM busybox\nCOPY --parents a/b /\n")
    assert said.status == 1
    assert ">>> COPY --parents a/b /" in said.text
    assert "unknown flag: parents" in said.text
    assert f"docker/dockerfile:1-labs {GONE}" in said.text


@only_stand_ins
def test_a_version_that_the_hub_never_had_is_not_found(docker: Any) -> None:
    said = build(docker, "# syntax=docker/dockerfile:2\nFROM busybox\n")
    assert said.status == 1
    assert "docker.io/docker/dockerfile:2: not found" in said.text


@only_stand_ins
def test_it_is_none_of_the_images_that_are_listed(docker: Any) -> None:
    build(docker, "# syntax=docker/dockerfile:1\nFROM busybox\n")
    assert "dockerfile" not in docker("image", "ls", "--all").text
