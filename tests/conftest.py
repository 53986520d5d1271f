"""The test lab: one real lab for all tests that need an engine of the course, made once a session
and removed afterwards.
"""

import os
import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest

from lab import up as labs
from lab.course import ROOT
from lab.machine.host import ensure_engine

NEED_MACHINE = ("machine", "grading", "browser", "lesson")
CLUSTER = ROOT / "tests" / "lab" / "cluster"
INSIDE = Path(
    "/opt/lab/venv"
).is_dir()  # these tests are running in a lab, where `docker` is the lab's engine

pytest_plugins = ["tests.suite.plugin"]  # whole runs go by turns


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--mutants",
        choices=["few", "all"],
        default="few",
        help="how many ways to break what is tested (tests/mutation)",
    )


@pytest.hookimpl(tryfirst=True)  # the turns are among those that run here
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Tests of an engine run inside the lab (tests/test_inside.py sends them there), all others
    outside.

    With COURSE_KUBECONFIG, those of a cluster run here, against that one.
    """
    here = [item for item in items if _here(item)]
    config.hook.pytest_deselected(items=[item for item in items if item not in here])
    items[:] = here


def _here(item: pytest.Item) -> bool:
    if (
        "COURSE_KUBECONFIG" in os.environ and CLUSTER in item.path.parents
    ):  # somebody's own: nothing else may touch it
        return bool(item.get_closest_marker("any_cluster"))
    return bool(item.get_closest_marker("engine")) == INSIDE


def pytest_collection_finish(session: pytest.Session) -> None:
    """Start the machine's engine, as ``bin/lab up`` does, when one of the chosen tests needs it."""
    if not INSIDE and any(
        item.get_closest_marker(name) for item in session.items for name in NEED_MACHINE
    ):
        ensure_engine()


@dataclass(frozen=True)
class TestLab:
    """A running lab with this checkout at /home/student/course and a workspace of its own."""

    __test__ = False
    name: str
    url: str
    workspace: Path

    def run(
        self, *command: str, user: str = "root", cwd: str = "/home/student/course"
    ) -> subprocess.CompletedProcess[str]:
        """Run a command in the lab; its exit status and output (stdout and stderr as one text)."""
        options = [
            "--user",
            user,
            "--workdir",
            cwd,
            "--env",
            "HOME=/home/student",
            "--env",
            "PYTHONDONTWRITEBYTECODE=1",
        ]
        called = ["docker", "exec", *options, self.name, *command]
        return subprocess.run(
            called, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
        )


def free_port() -> int:
    """A port of this machine that nothing listens on: tests of several checkouts may run side by
    side.
    """
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture(scope="session")
def test_lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestLab]:
    """The test lab, with pytest and nbval in it."""
    lab, folder = labs.Lab("test"), tmp_path_factory.mktemp("lab") / "workspace"
    client = ensure_engine()
    labs.down(client, lab, everything=False)
    try:
        state = labs.up(lab, folder=folder, port=free_port())
        assert state.url
        running = TestLab(lab.name, state.url, folder)
        installed = running.run(
            "pip",
            "install",
            "--quiet",
            "--disable-pip-version-check",
            "-r",
            "requirements-test.txt",
        )
        assert installed.returncode == 0, installed.stdout
        yield running
    finally:
        if "KEEP_TEST_LAB" not in os.environ:
            labs.down(client, lab, everything=False)
            shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def root() -> Path:
    """This checkout."""
    return ROOT
