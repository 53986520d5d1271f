"""Whole runs of pytest in a tiny repository: what they take, leave, say and write."""

import json
import os
import re
import subprocess
import sys

import pytest

from lab.course import ROOT

from .conftest import Repository
from .history import PROVED

TESTS = '''
import os, pathlib, pytest
from tests.suite.items import Item
from tests.suite.plugin import chosen

NAMES = ["00", "01", "02", "03", "04"]
LESSONS = [Item("second run", name, "by turns" if name != "00" else "always") for name in NAMES]
marked = [pytest.param(one, marks=pytest.mark.proves(one), id=one.name) for one in LESSONS]
each = pytest.mark.parametrize("item", marked)

def red(name):
    return name in os.environ.get("RED", "").split()

@pytest.fixture(scope="session")
def taken(request, charge):
    """Works for all at once, as a class does."""
    charge({one: 100.0 for one in LESSONS if str(one) in chosen(request.session)})
    return chosen(request.session)

@each
def test_again(item, taken):
    assert str(item) in taken
    assert not red(item.name)

@each
def test_leaves_nothing(item, taken):
    if red("stop"):
        os._exit(9)  # as a killed run
    assert not red(f"{item.name}-left")

@pytest.mark.proves(*LESSONS)
def test_whole_class(taken):
    assert not red("class")

def fails_first(times):
    told = pathlib.Path("../told")
    before = told.stat().st_size if told.exists() else 0
    told.write_text("x" * (before + 1))
    return before < times

def test_of_the_file():
    assert not fails_first(int(os.environ.get("FIRST", 0)))
'''
LONG = """
import pytest
from tests.suite.items import Item

@pytest.mark.proves(Item("mutation", "x", "all only"))
def test_long():
    pass
"""
PICTURED = """
def test_pictured(shots):
    if shots:
        (shots / "page.png").touch()

def test_without():
    pass
"""
CONFIGURATION = (
    "[pytest]\naddopts = --import-mode=importlib -p no:cacheprovider\ntestpaths = tests\n"
)


@pytest.fixture
def suite(repository: Repository) -> Repository:
    """Two commits: part 2."""
    lessons = {f"course/0{number}.ipynb": '{"cells": []}' for number in range(5)}
    others = {
        ".gitignore": "__pycache__/\n",
        "tests/mutation/test_long.py": LONG,
        "tests/test_earlier.py": "def test_earlier(): pass",
    }
    repository.commit(
        {"tests/test_lessons.py": TESTS, "pytest.ini": CONFIGURATION, **lessons, **others}
    )
    return repository


def run(suite: Repository, *arguments: str, red: str = "", first: int = 0) -> tuple[int, str]:
    """Exit status and output. ``red``: what fails; ``first``: how often one test does at first."""
    environment = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("PYTEST_", "GIT_"))
    }
    environment |= {
        "PYTHONPATH": str(ROOT),
        "PYTHONDONTWRITEBYTECODE": "1",
        "RED": red,
        "FIRST": str(first),
        "COURSE_TESTS_FAILED": str(suite.root.parent / "failed"),
        "COLUMNS": "200",
    }
    environment["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"  # they cost a second of each run
    plugins = [
        "-p",
        "tests.suite.plugin",
        *(["-p", "xdist", "--dist", "loadfile"] if "-n" in arguments else []),
    ]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-v", *plugins, *arguments],
        cwd=suite.root,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout


def passed(output: str) -> set[str]:
    """The tests that passed, without their file."""
    lines = re.findall(r"::(\S+) PASSED|PASSED \S*::(\S+)", output)
    return {one or other for one, other in lines}


def proofs(suite: Repository) -> dict[str, dict[str, object]]:
    path = suite.root / PROVED
    return json.loads(path.read_text()) if path.exists() else {}


ALWAYS = {
    "test_again[00]",
    "test_leaves_nothing[00]",
    "test_whole_class",
    "test_of_the_file",
    "test_earlier",
}


@pytest.mark.parametrize("workers", [[], ["-n", "2"]], ids=["alone", "two workers"])
def test_run_takes_its_part_and_names_what_it_leaves(suite: Repository, workers: list[str]) -> None:
    status, said = run(suite, *workers)
    assert status == 0, said
    assert passed(said) == ALWAYS | {"test_again[03]", "test_leaves_nothing[03]"}
    assert "by turns: part 2 of 0 to 3 (2 commits modulo 4)" in said
    assert "left to other runs, neither passed nor skipped: 1 items (only with --all)" in said
    for part in (0, 1, 3):
        assert f"neither passed nor skipped: 1 items (part {part}): 1 of kind 'second run'" in said
    assert re.search(r"\b7 passed", said)
    assert "skipped in" not in said
    assert proofs(suite) == {}


@pytest.mark.parametrize("named", [["tests/test_lessons.py"], ["-k", "again or long"]])
def test_whoever_names_tests_gets_them_all(suite: Repository, named: list[str]) -> None:
    status, said = run(suite, *named)
    assert status == 0, said
    assert {f"test_again[0{number}]" for number in range(5)} <= passed(said)
    assert "test_long" not in passed(said)
    assert "left to other runs" not in said


def test_whoever_wants_pictures_gets_all_of_them_and_nothing_else(suite: Repository) -> None:
    suite.commit({"tests/test_page.py": PICTURED})
    status, said = run(suite, "--shots", "some/where")
    assert (status, passed(said)) == (0, {"test_pictured"}), said
    assert (suite.root / "some/where/page.png").exists()


def test_no_picture_is_taken_unasked(suite: Repository) -> None:
    suite.commit({"tests/test_page.py": PICTURED})
    status, said = run(suite, "tests/test_page.py")
    assert (status, passed(said)) == (0, {"test_pictured", "test_without"}), said
    assert list(suite.root.rglob("*.png")) == []


@pytest.mark.parametrize("workers", [[], ["-n", "2"]], ids=["alone", "two workers"])
def test_all_goes_on_where_it_was_and_writes_what_is_green(
    suite: Repository, workers: list[str]
) -> None:
    status, said = run(suite, "--all", *workers, red="01 02-left")
    assert status == 1, said
    head = suite.git("rev-parse", "HEAD")
    green = {
        "second run: 00",
        "second run: 03",
        "second run: 04",
        "mutation: x",
        "file: tests/test_earlier.py",
        "file: tests/test_lessons.py",
    }
    assert set(proofs(suite)) == green
    assert {proof["commit"] for proof in proofs(suite).values()} == {head}
    assert proofs(suite)["second run: 03"]["seconds"] == pytest.approx(
        100, abs=5
    )  # what the fixture charged
    suite.commit()  # the proofs, as one would
    status, said = run(suite, "--all", *workers)
    assert status == 0, said
    assert passed(said) == {
        *(
            f"test_{test}[{lesson}]"
            for test in ("again", "leaves_nothing")
            for lesson in ("01", "02")
        ),
        "test_whole_class",
    }
    assert "neither passed nor skipped: 6 items (green already, with the same files)" in said
    assert set(proofs(suite)) == green | {"second run: 01", "second run: 02"}
    status, said = run(suite, "--all", *workers)
    assert (status, passed(said)) == (0, set())


TRIED = "failed among all others, and"


@pytest.mark.parametrize("workers", [[], ["-n", "2"]], ids=["alone", "two workers"])
def test_what_failed_once_is_named_and_the_run_is_green(
    suite: Repository, workers: list[str]
) -> None:
    status, said = run(suite, *workers, first=1)
    assert f"1 {TRIED} passed 2 times alone" in said
    assert said.count("tests/test_lessons.py::test_of_the_file\n") == 1
    assert "left to other runs" in said
    assert status == 0


@pytest.mark.parametrize("first", [2, 9])
def test_what_fails_again_is_red(suite: Repository, first: int) -> None:
    status, said = run(suite, first=first)
    assert f"1 {TRIED} failed again" in said
    assert status == 1


def test_what_fails_each_time_among_others_is_red(suite: Repository) -> None:
    status, said = run(suite, red="class", first=1)
    assert f"2 {TRIED} failed again" in said
    assert status == 1


def test_many_failures_are_no_accident(suite: Repository) -> None:
    status, said = run(suite, red="00 00-left 03", first=1)
    assert TRIED not in said
    assert status == 1


@pytest.mark.parametrize("chosen", [["--all"], ["tests/test_lessons.py"], ["-k", "of_the_file"]])
def test_everything_and_what_is_named_is_never_tried_again(
    suite: Repository, chosen: list[str]
) -> None:
    status, said = run(suite, *chosen, first=1)
    assert TRIED not in said
    assert status == 1


def test_killed_run_keeps_what_was_complete(suite: Repository) -> None:
    run(suite, "--all", red="stop")
    assert set(proofs(suite)) == {"file: tests/test_earlier.py"}
    status, said = run(suite, "--all")
    assert status == 0
    assert "test_earlier" not in passed(said)
    assert len(passed(said)) == 13


def test_all_of_some_tests_proves_those(suite: Repository) -> None:
    status, said = run(suite, "--all", "tests/test_earlier.py", "tests/test_lessons.py", "-k", "er")
    assert status == 0
    assert set(proofs(suite)) == {"file: tests/test_earlier.py"}
    assert "1 items, 0.0 minutes: all" in said


def test_item_is_proved_by_all_its_tests_only(suite: Repository) -> None:
    assert run(suite, "--all", "-k", "again")[0] == 0
    assert run(suite, "--all", red="class")[0] == 1
    assert "second run: 00" not in proofs(suite)
    _, said = run(suite, "--all", "tests/test_lessons.py::test_of_the_file")
    assert "will not be written: single tests were named" in said


def test_without_a_clean_work_tree_nothing_is_written(suite: Repository) -> None:
    suite.write({"course/01.ipynb": "{}"})
    status, said = run(suite, "--all")
    assert status == 0
    assert f"{PROVED} will not be written: not committed: course/01.ipynb" in said
    assert f"{PROVED}: 0 items written; no more: not committed: course/01.ipynb" in said
    assert proofs(suite) == {}


def test_plan_says_what_why_and_whether_it_fits(suite: Repository) -> None:
    status, said = run(suite, "--plan")
    assert (status, passed(said)) == (0, set()), said
    assert "second run: 03\n" in said
    assert "0 items, which count as the mean of their kind, and 7 of kinds without any" in said
    assert run(suite, "--all")[0] == 0
    suite.commit({"course/02.ipynb": '{"cells": [1]}'})
    suite.commit()
    status, said = run(suite, "--plan", "-n", "2")
    assert status == 0, said
    assert "part 0: 1.7 minutes with what is always taken: fits\n" in said
    assert re.search(
        r"own files changed since the last proof\n +second run: 02 \(100\.\d s\)\n", said
    )
    assert "proved longest ago\n" in said
    assert passed(said) == set()


def test_plan_whose_parts_do_not_fit_fails(suite: Repository) -> None:
    assert run(suite, "--all")[0] == 0
    suite.write(
        {
            PROVED: json.dumps(
                {item: proof | {"seconds": 3600} for item, proof in proofs(suite).items()}
            )
        }
    )
    status, said = run(suite, "--plan")
    assert status == 1
    assert said.count("DOES NOT FIT\n") == 4


def test_whole_run_without_history_gets_a_sentence(suite: Repository) -> None:
    (suite.root / ".git").rename(suite.root.parent / "elsewhere")
    status, said = run(suite)
    assert status == pytest.ExitCode.USAGE_ERROR
    assert "no git history that can be read" in said
    assert run(suite, "tests")[0] == 0
