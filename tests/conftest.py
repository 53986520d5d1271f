"""The test lab: one real lab for all tests of a worker that need an engine of the course, made once
and removed afterwards.
"""

import hashlib
import os
import random
import re
import shutil
import socket
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from lab import seat
from lab import up as labs
from lab.course import NAME, ROOT, STATE
from lab.lock import alone
from lab.machine import containers
from lab.machine.host import ensure_engine

from . import evidence, groups
from .evidence import pytest_runtest_makereport, pytest_sessionstart
from .groups import pytest_xdist_make_scheduler

__all__ = ["pytest_runtest_makereport", "pytest_sessionstart", "pytest_xdist_make_scheduler"]

# Properties of tests, for the closing summary: how a suite in the lab ended; an attack's name and
# the points that it gained.
IN_THE_LAB, GAINED = "in the lab", "gained"
WORKER = os.environ.get("PYTEST_XDIST_WORKER", "")  # such as gw1, where tests run side by side
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
    items[:] = groups.in_order(here) if WORKER else here


def _here(item: pytest.Item) -> bool:
    if (
        "COURSE_KUBECONFIG" in os.environ and CLUSTER in item.path.parents
    ):  # somebody's own: nothing else may touch it
        return bool(item.get_closest_marker("any_cluster"))
    return bool(item.get_closest_marker("engine")) == INSIDE


def pytest_collection_finish(session: pytest.Session) -> None:
    """Start the machine's engine, as ``bin/lab up`` does, when one of the chosen tests needs it."""
    if not INSIDE and any(
        item.get_closest_marker(name) for item in session.items for name in groups.NEED_IMAGES
    ):
        ensure_engine()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """What tests have recorded for the closing summary, wherever they ran; and where to read why
    one failed.
    """
    recorded: dict[str, list[Any]] = {}
    for report in (
        one for status in ("passed", "failed") for one in terminalreporter.getreports(status)
    ):
        for name, value in getattr(report, "user_properties", []):
            recorded.setdefault(name, []).append(value)
    for line in recorded.get(IN_THE_LAB, []):
        terminalreporter.write_line(f"in the lab: {line}")
    if GAINED in recorded:
        from .attacks import table

        table.show(terminalreporter, dict(recorded[GAINED]))
    evidence.summary(terminalreporter)


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

    def evidence(self, arguments: Mapping[str, Any]) -> dict[str, bytes]:
        """The logs of its engine, cluster and JupyterLab."""
        return logs(self.name)


def logs(name: str) -> dict[str, bytes]:
    """All that a lab's container has written, by file name."""
    container = ensure_engine().containers.get(name)
    found = {"start.log": container.logs()}
    if container.status == "running":
        for path in containers.run(container, ["sh", "-c", "ls /var/log/lab"]).text.split():
            found[path] = containers.run(container, ["cat", f"/var/log/lab/{path}"]).text.encode()
    return found


def free_port() -> int:
    """A port of this machine that nothing listens on: below those that the kernel gives to
    connections, which come and go meanwhile.
    """
    while True:
        port = random.randrange(20000, 32000)
        with closing(socket.socket()) as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


# What tests inside a lab need and the lab image does not hold.
PACKAGES = (
    "coverage",
    "execnet",
    "iniconfig",
    "nbval",
    "pluggy",
    "pytest",
    "pytest-timeout",
    "pytest-xdist",
)


def give_pytest(lab: TestLab) -> None:
    """Put pytest and nbval into a lab: installed once, below this checkout's .lab, where each lab
    finds them.
    """
    locked = re.findall(r"^([\w.-]+)==([\w.]+)", (ROOT / "requirements-test.txt").read_text(), re.M)
    pins = [f"{name}=={version}" for name, version in locked if name in PACKAGES]
    python = lab.run(
        "python", "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"
    ).stdout.strip()
    made = f"pytest-{hashlib.sha256(' '.join([*pins, python]).encode()).hexdigest()[:8]}"
    state = f"{seat.COURSE}/{STATE.name}"
    inside = f"{state}/{made}"
    with alone(f"{NAME}-pytest"):
        if not (STATE / made).is_dir():
            quietly = "--quiet --disable-pip-version-check --no-deps"
            install = f"rm -rf {state}/pytest-* && pip install {quietly} --target {inside}.part"
            done = lab.run("sh", "-c", f"{install} {' '.join(pins)} && mv {inside}.part {inside}")
            assert done.returncode == 0, done.stdout
    lab.run("sh", "-c", f"echo {inside} > {python}/tests.pth")


@pytest.fixture(scope="session")
def test_lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestLab]:
    """The test lab, with pytest and nbval in it."""
    lab, folder = labs.Lab("test", WORKER), tmp_path_factory.mktemp("lab") / "workspace"
    client = ensure_engine()
    labs.down(client, lab, everything=False)
    try:
        state = labs.up(lab, folder=folder, port=free_port())
        assert state.url
        running = TestLab(lab.name, state.url, folder)
        give_pytest(running)
        yield running
    finally:
        if "KEEP_TEST_LAB" not in os.environ:
            labs.down(client, lab, everything=False)
            shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def root() -> Path:
    """This checkout."""
    return ROOT
