"""A kernel-less IPython with the extension loaded, and what a cell printed."""

import os
import subprocess
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import docker
import pytest
from IPython.core.interactiveshell import InteractiveShell
from IPython.utils.capture import capture_output

from lab.notebook import load_ipython_extension, unload_ipython_extension

from ..cluster.conftest import Cluster, start


@dataclass(frozen=True)
class Ran:
    """What a cell printed, and the error that it ended with."""

    output: str
    error: BaseException | None


RunCell = Callable[[str], Ran]


@pytest.fixture
def ipython() -> Iterator[InteractiveShell]:
    shell = InteractiveShell.instance()
    shell.run_line_magic("colors", "nocolor")
    load_ipython_extension(shell)
    yield shell
    unload_ipython_extension(shell)


@pytest.fixture
def cell(ipython: InteractiveShell) -> RunCell:
    """Run a cell; give back what it printed before its error."""

    def run(source: str) -> Ran:
        with capture_output() as captured:
            result = ipython.run_cell(source)  # type: ignore[no-untyped-call]
        return Ran(captured.stdout, result.error_in_exec or result.error_before_exec)

    return run


@pytest.fixture(scope="session")
def engine() -> Iterator[docker.DockerClient]:
    client = docker.from_env()
    yield client
    client.close()


@pytest.fixture
def mark(engine: docker.DockerClient) -> Iterator[str]:
    """A label value of this test alone; what carries `lesson=<mark>` is removed afterwards."""
    value = f"test-{uuid.uuid4().hex[:8]}"
    label = f"label=lesson={value}"
    yield value
    for listing, removal in (
        (["ps", "-aq"], ["rm", "-fv"]),
        (["network", "ls", "-q"], ["network", "rm"]),
        (["volume", "ls", "-q"], ["volume", "rm"]),
        (["image", "ls", "-q"], ["image", "rm", "-f"]),
    ):
        ids = subprocess.run(
            ["docker", *listing, "--filter", label], capture_output=True, text=True, check=True
        )
        if ids.stdout.split():
            subprocess.run(
                ["docker", *removal, *ids.stdout.split()], capture_output=True, check=True
            )


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """The lab's own cluster; where a lab has none, one that is started for these tests."""
    known = Path(os.environ.get("KUBECONFIG", ""))
    if known.is_file():
        yield Cluster(None, known, [], 0.0)  # type: ignore[arg-type]
        return
    running = start(tmp_path_factory.mktemp("cluster"), "--port", "0")
    yield running
    running.stop()
