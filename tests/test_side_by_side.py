"""The suite itself: how it is dealt to workers, and what is kept of a test that failed."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from lab.course import ROOT

from .conftest import free_port
from .evidence import folder_name
from .groups import PARTS, SECONDS, group_of

CONFTEST = """
import pytest
from tests import evidence, groups
from tests.evidence import pytest_runtest_makereport, pytest_sessionstart
from tests.groups import pytest_xdist_make_scheduler

def pytest_collection_modifyitems(items):
    items[:] = groups.in_order(items)

def pytest_terminal_summary(terminalreporter):
    evidence.summary(terminalreporter)

class Engine:
    def evidence(self, arguments):
        return {"engine.log": f"out of {arguments['what']}".encode()}

class Broken:
    def evidence(self, arguments):
        raise OSError("it is gone")

@pytest.fixture
def engine():
    return Engine()

@pytest.fixture
def broken():
    return Broken()
"""
FAILS = """
import pytest

@pytest.mark.parametrize("what", ["memory"])
def test_fails(what, engine, broken):
    print("said before")
    assert 1 == 2

def test_passes(engine):
    pass
"""
WAITS = """
import pathlib, time
def test_one():
    with pathlib.Path("order").open("a") as order:
        order.write("{0} ")
    time.sleep({1})
def test_two():
    pass
"""


def run(folder: Path, *options: str) -> subprocess.CompletedProcess[str]:
    (folder / "conftest.py").write_text(CONFTEST)
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-p",
        "no:cacheprovider",
        "-p",
        "xdist",
        "--rootdir",
        str(folder),
        "-c",
        os.devnull,
        *options,
    ]
    environment = {
        **os.environ,
        "PYTHONPATH": str(ROOT),
        "COURSE_TESTS_FAILED": str(folder / "failed"),
    }
    environment = {
        name: value for name, value in environment.items() if not name.startswith("PYTEST_")
    }
    environment["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"  # what else is installed takes seconds
    return subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize("options", [[], ["-n", "2"]], ids=["in one process", "side by side"])
def test_what_failed_keeps_its_report_and_the_logs_of_what_it_used(
    tmp_path: Path, options: list[str]
) -> None:
    (tmp_path / "test_it.py").write_text(FAILS)
    (tmp_path / "failed" / "of-an-earlier-run").mkdir(parents=True)
    done = run(tmp_path, *options)
    assert done.returncode == 1, done.stdout + done.stderr
    kept = tmp_path / "failed" / "test_it.test_fails.memory"
    assert list((tmp_path / "failed").iterdir()) == [kept]
    assert str(kept) in done.stdout
    assert "assert 1 == 2" in (kept / "call.txt").read_text()
    assert "said before" in (kept / "call.txt").read_text()
    assert (kept / "engine-engine.log").read_text() == "out of memory"
    assert "it is gone" in (kept / "broken.txt").read_text()


def test_groups_are_dealt_out_whole_and_in_order(tmp_path: Path) -> None:
    """A worker that is busy keeps no group waiting while another is free."""
    for name, seconds in (("a", 3), ("b", 0.1), ("c", 0.1), ("d", 0.1)):
        (tmp_path / f"test_{name}.py").write_text(WAITS.format(name, seconds))
    done = run(tmp_path, "-v", "-n", "2")
    assert done.returncode == 0, done.stdout + done.stderr
    workers = {
        line.split("::")[0].split()[-1]: line.split("]")[0]
        for line in done.stdout.splitlines()
        if "PASSED" in line
    }
    order = (tmp_path / "order").read_text().split()
    assert (set(order[:2]), order[2:]) == ({"a", "b"}, ["c", "d"])
    assert (
        workers["test_b.py"] == workers["test_c.py"] == workers["test_d.py"] != workers["test_a.py"]
    )


def test_groups_are_of_files_that_exist() -> None:
    files = {group.partition("[")[0] for group in SECONDS} | set(PARTS)
    assert [file for file in files if not (ROOT / file).is_file()] == []


@pytest.mark.parametrize(
    ("test", "group"),
    [
        (
            "tests/grader/test_exercises.py::test_wrong_answer[01-containers: web: no name]",
            "tests/grader/test_exercises.py[01-containers]",
        ),
        (
            "tests/grader/test_exercises.py::test_solution[01-containers]",
            "tests/grader/test_exercises.py[01-containers]",
        ),
        (
            "tests/test_lessons.py::test_lesson_runs_twice[06-dockerfile.ipynb]",
            "tests/test_lessons.py[04-07]",
        ),
        ("tests/test_lessons.py::test_a_cell_that_fails", "tests/test_lessons.py"),
        (
            "tests/test_inside.py::test_suite[tests/lab/cluster, behaviour]",
            "tests/test_inside.py[tests/lab/cluster, behaviour]",
        ),
        ("tests/lab/test_life.py::test_down_leaves_nothing", "tests/lab/test_life.py"),
    ],
)
def test_what_shares_its_set_up_is_one_group(test: str, group: str) -> None:
    assert group_of(test) == group


def test_names_of_folders_are_short_and_differ() -> None:
    names = {
        folder_name(f"tests/grader/test_exercises.py::test_wrong[{'x' * 100}: {number}]")
        for number in range(3)
    }
    assert len(names) == 3
    assert all(len(name) < 120 and "/" not in name and " " not in name for name in names)


def test_free_port_is_none_that_the_kernel_gives_to_connections() -> None:
    lowest = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    assert free_port() < lowest
