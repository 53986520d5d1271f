"""The machine's engine, and where sandboxes are made on it."""

from collections.abc import Iterator

import docker
import pytest

from grader.run.local import ensure_sandbox_image
from grader.sandbox.containers import SandboxImage
from grader.sandbox.owners import sweep
from lab.machine.host import ensure_engine


@pytest.fixture(scope="module")
def client() -> Iterator[docker.DockerClient]:
    engine = ensure_engine()
    yield engine
    sweep(engine)


@pytest.fixture(scope="module")
def place(client: docker.DockerClient) -> SandboxImage:
    return ensure_sandbox_image(client)
