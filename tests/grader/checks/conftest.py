"""Containers and images of the tests' own, made with the docker command and removed by label."""

from __future__ import annotations

import secrets
import socket
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from . import clusters

LABEL = "course.tests=checks"

Docker = Callable[..., str]


def _docker(*args: str) -> str:
    done = subprocess.run(["docker", *args], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, f"docker {' '.join(args)}: {done.stderr}"
    return done.stdout.strip()


@pytest.fixture
def docker() -> Docker:
    """Runs one docker command; its output, stripped."""
    return _docker


@pytest.fixture
def name() -> Iterator[str]:
    """A name no container has; a container that gets it is removed afterwards."""
    drawn = f"checks-{secrets.token_hex(4)}"
    yield drawn
    subprocess.run(["docker", "rm", "-fv", drawn], capture_output=True, timeout=60)


@pytest.fixture
def start(name: str) -> Callable[..., str]:
    """`docker run -d` with options, image and command of the test's own; the container's name."""

    def run(*args: str) -> str:
        _docker("run", "-d", "--name", name, "--label", LABEL, *args)
        return name

    return run


@pytest.fixture
def build(tmp_path: Path) -> Iterator[Callable[..., str]]:
    """Builds a Dockerfile's text (and files beside it); the image's name, removed afterwards."""
    refs: list[str] = []

    def make(text: str, **files: str) -> str:
        refs.append(f"checks-{secrets.token_hex(4)}/app:1.0")
        context = tmp_path / "context"
        context.mkdir(exist_ok=True)
        (context / "Dockerfile").write_text(text)
        for path, content in files.items():
            (context / path).write_text(content)
        _docker("build", "-q", "-t", refs[-1], str(context))
        return refs[-1]

    yield make
    for ref in refs:
        subprocess.run(["docker", "rmi", "-f", ref], capture_output=True, timeout=60)


@pytest.fixture
def free_port() -> int:
    """A port of this machine that nothing listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture(scope="module")
def kubectl() -> Iterator[Callable[..., str]]:
    """Runs one kubectl command in a namespace of the module's own, where the checks look as well;
    its output, stripped.
    """
    with clusters.own_namespace():
        yield clusters.kubectl


@pytest.fixture
def named(kubectl: Callable[..., str], request: pytest.FixtureRequest) -> Iterator[str]:
    """A name for a Pod that is removed afterwards."""
    name = request.node.name.replace("_", "-")[5:50].strip("-")
    yield name
    kubectl("delete", "pod", name, "--ignore-not-found", "--grace-period=0", "--force")
