"""The registry in the lab answers as Docker Hub does, so docker says what it always says."""

import json
import os
import subprocess
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytestmark = [pytest.mark.engine, pytest.mark.timeout(120)]

# Seconds: a lookup or a connection that stalls takes 10, all else less on the busiest machine.
AT_ONCE = 8.0
REGISTRY = Path(__file__).parents[4] / "lab" / "inside" / "registry"
DENIED = "denied: requested access to the resource is denied"
without_hub = pytest.mark.skipif(
    os.environ.get("LAB_HUB") == "yes", reason="Docker Hub itself answers here"
)


@pytest.fixture
def tag(docker: Any) -> Iterator[Any]:
    """tag(NAME): busybox under a name of the test's own, removed afterwards."""
    made: list[str] = []

    def tag_busybox(name: str) -> str:
        made.append(name)
        said = docker("tag", "busybox", name)
        assert said.status == 0, said.text
        return name

    yield tag_busybox
    for name in made:
        docker("image", "rm", name)


def test_pull_prints_what_it_prints_with_the_hub(docker: Any) -> None:
    docker("image", "rm", "--force", "nginx:latest")
    lines = docker("pull", "nginx").text.splitlines()
    assert lines[:2] == ["Using default tag: latest", "latest: Pulling from library/nginx"]
    assert lines[-3].startswith("Digest: sha256:")
    assert lines[-2:] == [
        "Status: Downloaded newer image for nginx:latest",
        "docker.io/library/nginx:latest",
    ]
    again = docker("pull", "nginx").text.splitlines()
    assert again[-2] == "Status: Image is up to date for nginx:latest"


def test_run_pulls_what_is_missing(docker: Any) -> None:
    docker("image", "rm", "--force", "hello-world")
    said = docker("run", "--rm", "hello-world")
    assert said.status == 0
    assert said.text.startswith(
        "Unable to find image 'hello-world:latest' locally\nlatest: Pulling from library/"
    )
    assert "Hello from Docker!" in said.text


def test_pull_of_an_unknown_repository_is_denied(docker: Any) -> None:
    said = docker("pull", "nosuch")
    assert said.status == 1
    assert said.text.splitlines()[-1] == (
        "Error response from daemon: pull access denied for nosuch, repository does not exist or"
        f" may require 'docker login': {DENIED}"
    )
    assert said.seconds < AT_ONCE


def test_pull_of_an_unknown_tag_is_not_found(docker: Any) -> None:
    said = docker("pull", "nginx:nosuch")
    assert said.status == 1
    assert said.text == (
        "Error response from daemon: manifest for nginx:nosuch not found: manifest unknown:"
        " manifest unknown\n"
    )
    assert said.seconds < AT_ONCE


def test_run_of_an_unknown_repository_is_denied(docker: Any) -> None:
    said = docker("run", "nosuch")
    assert said.status == 125
    assert said.text.startswith(
        "Unable to find image 'nosuch:latest' locally\n"
        "docker: Error response from daemon: pull access denied for nosuch, repository does not"
        f" exist or may require 'docker login': {DENIED}.\n"
    )
    assert said.seconds < AT_ONCE


def test_push_to_the_hub_without_a_login_is_denied(docker: Any, tag: Any) -> None:
    said = docker("push", tag("me/app"))
    assert said.status == 1
    lines = said.text.splitlines()
    assert lines[:2] == [
        "Using default tag: latest",
        "The push refers to repository [docker.io/me/app]",
    ]
    assert lines[-1] == DENIED
    assert said.seconds < AT_ONCE


def test_build_from_an_unknown_repository_says_what_buildkit_says(docker: Any) -> None:
    said = docker("build", "--progress", "plain", "-", stdin="FROM nosuch\n")
    assert said.status == 1
    assert (
        "pull access denied, repository does not exist or may require authorization: server"
        " message: insufficient_scope: authorization failed"
    ) in said.text
    assert said.seconds < AT_ONCE


def test_build_from_an_unknown_tag_is_not_found(docker: Any) -> None:
    said = docker("build", "--progress", "plain", "-", stdin="FROM nginx:nosuch\n")
    assert said.status == 1
    assert "docker.io/library/nginx:nosuch: not found" in said.text


def test_build_pulls_a_base_that_is_missing(docker: Any) -> None:
    docker("image", "rm", "--force", "redis:alpine")
    said = docker(
        "build", "--progress", "plain", "--no-cache", "-", stdin="FROM redis:alpine\nRUN true\n"
    )
    docker("pull", "redis:alpine")
    assert said.status == 0, said.text


def test_images_can_be_looked_at_without_a_pull(docker: Any) -> None:
    assert json.loads(docker("manifest", "inspect", "nginx:latest").text)["schemaVersion"] == 2
    assert (
        "docker.io/library/alpine:latest"
        in docker("buildx", "imagetools", "inspect", "alpine").text
    )
    said = docker("manifest", "inspect", "nosuch")
    assert said.status == 1
    assert DENIED in said.text


@without_hub
def test_login_and_search_fail_at_once(docker: Any) -> None:
    login = docker("login", "--username", "ann", "--password-stdin", stdin="secret")
    assert login.status == 1
    assert "Docker Hub cannot be reached from this lab" in login.text
    search = docker("search", "nginx")
    assert search.status == 1
    assert "503" in search.text
    assert max(login.seconds, search.seconds) < AT_ONCE


def test_a_registry_of_ones_own_takes_and_gives_images(docker: Any, tag: Any) -> None:
    name = tag("localhost:5000/me/app")
    pushed = docker("push", name)
    assert pushed.status == 0, pushed.text
    assert "latest: digest: sha256:" in pushed.text
    docker("image", "rm", name)
    pulled = docker("pull", name)
    assert pulled.text.splitlines()[-2:] == [
        f"Status: Downloaded newer image for {name}:latest",
        f"{name}:latest",
    ]
    unknown = docker("pull", "localhost:5000/me/nosuch")
    assert unknown.status == 1
    assert "manifest for localhost:5000/me/nosuch:latest not found" in unknown.text


def test_what_is_pushed_to_ones_own_registry_is_not_on_the_hub(docker: Any, tag: Any) -> None:
    assert docker("push", tag("localhost:5000/me/private")).status == 0
    said = docker("pull", "me/private")
    assert said.status == 1
    assert "pull access denied for me/private" in said.text


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("localhost:5000/library/nginx", "library/ holds the course's images"),
        ("localhost:5000/docker/dockerfile:1", "docker/dockerfile/ holds the course's images"),
        ("127.0.0.1:5000/library/nginx", "this address mirrors Docker Hub and is read-only"),
        ("127.0.0.1:5000/me/app", "this address mirrors Docker Hub and is read-only"),
    ],
)
def test_a_push_cannot_change_what_the_mirror_serves(
    name: str, reason: str, docker: Any, tag: Any
) -> None:
    said = docker("push", tag(name))
    assert said.status == 1
    assert f"denied: {reason}" in said.text
    assert "localhost:5000/me/app" in said.text


def test_the_mirror_hides_what_is_not_the_courses() -> None:
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen("http://127.0.0.1:5000/v2/me/app/manifests/latest", timeout=5)
    assert refused.value.code == 404


def test_start_finds_what_runs() -> None:
    processes = ["pgrep", "-x", "docker-registry|nginx"]
    before = subprocess.run(processes, capture_output=True, text=True, check=True).stdout
    subprocess.run([REGISTRY / "start"], check=True, timeout=30)
    assert subprocess.run(processes, capture_output=True, text=True, check=True).stdout == before
