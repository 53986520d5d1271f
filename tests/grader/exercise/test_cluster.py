"""The cluster that an exercise asks for: by its source alone, and never by what is handed in."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from grader.course import Course
from grader.exercise.release import release
from grader.run.judged_by import JudgedBy
from grader.run.submission import Assignment, Submission
from grader.sandbox.containers import SandboxImage
from grader.sandbox.interface import SandboxLimits
from lab.errors import LabError

FIXTURE = Path(__file__).parents[1] / "fixtures" / "release"
NAME = "01-boxes"


@pytest.fixture
def course(tmp_path: Path) -> Path:
    """A copy of the fixture course, sources only."""
    shutil.copytree(FIXTURE / "solutions", tmp_path / "solutions")
    return tmp_path


def ask(course: Path, wish: Any, folder: str = "solutions") -> Path:
    """Let an exercise's notebook ask for something."""
    path = course / folder / NAME / f"{NAME}.ipynb"
    notebook = json.loads(path.read_text())
    notebook["metadata"]["course"] = wish
    path.write_text(json.dumps(notebook))
    return path


def opened(course: Path) -> Assignment:
    return Assignment(Course(course), NAME, {NAME: []})


@pytest.mark.parametrize(
    "wish",
    [
        "cluster",
        {"clusters": True},
        {"cluster": "yes"},
        {"cluster": 1},
        {"cluster": True, "nodes": 3},
        {"cluster": {}},
        {"cluster": {"nodes": 3, "memory": 4}},
        *({"cluster": {"nodes": nodes}} for nodes in (0, -1, 11, 3.0, "3", True, None)),
    ],
    ids=str,
)
def test_a_wish_that_means_nothing_is_named(course: Path, wish: Any) -> None:
    ask(course, wish)
    with pytest.raises(LabError, match='has metadata "course" with no known meaning') as error:
        release(course)
    assert f"{json.dumps(wish)}: " in error.value.what
    assert "(there may be 1 to 10)" in error.value.what
    assert not (course / "assignments").exists()
    with pytest.raises(LabError, match="with no known meaning"):
        print(opened(course).nodes)


@pytest.mark.parametrize(
    ("wish", "nodes"),
    [
        ({}, 0),
        ({"cluster": False}, 0),
        ({"cluster": True}, 1),
        ({"cluster": {"nodes": 1}}, 1),
        ({"cluster": {"nodes": 10}}, 10),
    ],
    ids=str,
)
def test_a_sandbox_has_the_nodes_that_the_source_asks_for(
    course: Path, wish: Any, nodes: int
) -> None:
    ask(course, wish)
    release(course)
    assert opened(course).nodes == nodes
    released = json.loads((course / "assignments" / NAME / f"{NAME}.ipynb").read_text())
    assert released["metadata"]["course"] == wish, "Validate reads it there"


def test_other_nodes_are_another_key(course: Path) -> None:
    def key() -> str:
        image = SandboxImage("lab:1", "template-1")
        judged_by = JudgedBy.now(Course(course), NAME, image, SandboxLimits())
        return Submission("ada", {}).key(judged_by)

    ask(course, {"cluster": True})
    one = key()
    ask(course, {"cluster": {"nodes": 3}})
    assert key() != one


@pytest.mark.parametrize("wish", [{"cluster": {"nodes": 10}}, {}, "nonsense"], ids=str)
def test_a_hand_in_that_asks_for_other_nodes_gets_those_of_the_source(
    course: Path, wish: Any
) -> None:
    ask(course, {"cluster": {"nodes": 3}})
    release(course)
    handed_in = ask(course, wish, "assignments").read_bytes()
    repaired = Submission("ada", {f"{NAME}.ipynb": handed_in}).repaired(opened(course))
    work = repaired.work(opened(course), NAME, SandboxLimits())
    assert work.nodes == 3
    assert "course" not in work.notebook.metadata
