"""The course in its own order in one lab: lessons one after the other, some of them broken off in
the middle, exercises solved in between, and nobody tidies up.
"""

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from lab.lessontexts import source

from .conftest import ROOT, TestLab
from .lesson_tasks import put_solved, solved
from .test_lessons import NBVAL, engine_errors

HALF, WHOLE, SOLVED = "lesson {} broken off", "lesson {} as a whole", "exercise {} solved"
DARK = "lesson {} left with a machine switched off"
DOCKER = [
    (HALF, "01"),
    (SOLVED, "00"),
    (WHOLE, "02"),
    (HALF, "09"),
    (WHOLE, "04"),
    (SOLVED, "01"),
    (HALF, "04"),
    (WHOLE, "05"),
    (HALF, "05"),
    (SOLVED, "03"),
    (HALF, "06"),
    (WHOLE, "09"),
    (HALF, "02"),
    (WHOLE, "01"),
]
KUBERNETES = [
    (SOLVED, "01"),
    (HALF, "19"),
    (WHOLE, "17"),
    (SOLVED, "10"),
    (HALF, "17"),
    (DARK, "17"),
    (WHOLE, "18"),
    (HALF, "18"),
    (SOLVED, "11"),
    (WHOLE, "19"),
    (WHOLE, "06"),
]
CLUSTER = "deployments,statefulsets,daemonsets,jobs,pods,services,configmaps,secrets,pvc"
LISTS = {
    "docker rm -fv": "docker ps -aq",
    "docker network rm": "docker network ls -q",
    "docker volume rm": "docker volume ls -q",
    "docker rmi -f": "docker images --filter dangling=false --format '{{.Repository}}:{{.Tag}}'",
    "kubectl delete": f"kubectl get {CLUSTER} -o name",
}


@pytest.fixture
def lab(test_lab: TestLab) -> Iterator[TestLab]:
    """The lab of this worker; what the course left there goes when all has been seen."""

    def listed(command: str) -> set[str]:
        return set(test_lab.run("sh", "-c", command).stdout.split())

    before = {listing: listed(listing) for listing in LISTS.values()}
    yield test_lab
    for removal, listing in LISTS.items():
        new = sorted(listed(listing) - before[listing])
        if new:
            test_lab.run("sh", "-c", f"{removal} {' '.join(new)}")
    test_lab.run("docker", "image", "prune", "--force")  # those that have no name any more


def notebook(folder: str, number: str) -> Path:
    (found,) = (ROOT / folder).glob(f"**/{number}-*.ipynb")
    return found


def execute(lab: TestLab, content: dict[str, Any], folder: str, **environment: str) -> str:
    """Run a notebook in a folder of the workspace; raises AssertionError where a cell fails."""
    place = lab.workspace / folder
    place.mkdir(parents=True, exist_ok=True)
    (place / "now.ipynb").write_text(json.dumps(content))
    done = lab.run(
        *("env", *(f"{name}={value}" for name, value in environment.items())),
        *("jupyter", "nbconvert", "--to", "notebook", "--execute", "--stdout", "now.ipynb"),
        cwd=f"/home/student/workspace/{folder}",
    )
    (place / "now.ipynb").unlink()
    assert done.returncode == 0, f"{done.stdout}\n{engine_errors(lab)}"
    return done.stdout


def break_off(lab: TestLab, number: str) -> None:
    """Run the first half of a lesson, and go away."""
    path = notebook("course", number)
    content = solved(json.loads(path.read_text()), path.stem)
    content["cells"] = content["cells"][: len(content["cells"]) // 2]
    assert "something else than any of" not in execute(lab, content, "course")


def leave_dark(lab: TestLab, number: str) -> None:
    """Enter a lesson at its section about machines, switch one off, and go away."""
    path = notebook("course", number)
    content = json.loads(path.read_text())
    execute(lab, part(content, "section-machines", "machine-off"), "course")
    nodes = lab.run("kubectl", "get", "nodes", "--no-headers").stdout.splitlines()
    assert sorted(line.split()[1] for line in nodes) == ["NotReady", "Ready", "Ready"]


def part(content: dict[str, Any], first: str, last: str) -> dict[str, Any]:
    """The lesson's cells from one to another, by their ids, after its clean start."""
    ids = [cell["id"] for cell in content["cells"]]
    start = content["cells"][ids.index("clean-start")]
    chosen = content["cells"][ids.index(first) : ids.index(last) + 1]
    return content | {"cells": [start, *chosen]}


def run_whole(lab: TestLab, number: str) -> None:
    """Run a lesson; each cell shows what it has always shown."""
    path = notebook("course", number)
    put_solved(path.name, lab.workspace)
    done = lab.run(*NBVAL, path.name, cwd="/home/student/workspace/course")
    assert done.returncode == 0, f"{done.stdout}\n{engine_errors(lab)}"
    labelled = f"docker ps -aq --filter label=lesson={number}"
    assert lab.run("sh", "-c", labelled).stdout == ""


def solve(lab: TestLab, number: str) -> None:
    """Do an exercise as its solution does, and leave everything there."""
    path = notebook("solutions", number)
    content = json.loads(path.read_text())
    content["cells"] = [cell for cell in content["cells"] if not is_test(cell)]
    execute(lab, content, f"assignments/{path.stem}")


def is_test(cell: dict[str, Any]) -> bool:
    kind = cell["metadata"].get("nbgrader", {})
    return bool(kind.get("grade")) and not kind.get("solution")


STEPS: dict[str, Callable[[TestLab, str], None]] = {
    HALF: break_off,
    DARK: leave_dark,
    WHOLE: run_whole,
    SOLVED: solve,
}


@pytest.mark.lesson
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("course", [DOCKER, KUBERNETES], ids=["docker", "kubernetes"])
def test_a_lesson_runs_after_whatever_came_before(
    course: list[tuple[str, str]], lab: TestLab
) -> None:
    done: list[str] = []
    for step, number in course:
        try:
            STEPS[step](lab, number)
        except AssertionError as error:
            raise AssertionError(f"{step.format(number)}, after {done}:\n{error}") from None
        done.append(step.format(number))


@pytest.mark.lesson
@pytest.mark.timeout(600)
def test_machines_that_are_not_the_labs_are_left_alone(lab: TestLab) -> None:
    """On somebody's own cluster, as which the lab's has to do here, the cells say what they need,
    and the lesson goes on.
    """
    content = json.loads(notebook("course", "17").read_text())
    cells = part(content, "section-machines", "one-node")
    nodes = ("kubectl", "get", "nodes", "-o", "name")
    before = lab.run(*nodes).stdout
    said = execute(lab, cells, "course", LAB_CLUSTER="current")
    ran, _ = json.JSONDecoder().raw_decode(said, said.index("{\n"))  # warnings are around it
    outputs = {cell["id"]: json.dumps(cell.get("outputs")) for cell in ran["cells"]}
    told = {name for name, shown in outputs.items() if "Nothing is done here" in shown}
    assert told == {"more-nodes", "machine-off", "outcome-machine", "machine-back", "one-node"}
    assert "Node lab  Ready" in outputs["spread"]
    assert lab.run(*nodes).stdout == before


def names(path: Path) -> set[str]:
    """The names that a notebook's commands give to containers and Pods."""
    cells = json.loads(path.read_text())["cells"]
    code = "\n".join(source(cell) for cell in cells if cell["cell_type"] == "code")
    return set(re.findall(r"(?:--name[ =]|kubectl run )([a-z][\w-]+)", code))


def test_no_name_is_used_twice() -> None:
    users: dict[str, list[str]] = {}
    for path in [*(ROOT / "course").glob("*.ipynb"), *(ROOT / "solutions").glob("*/*.ipynb")]:
        for name in names(path):
            users.setdefault(name, []).append(path.stem)
    shared = {
        name: used
        for name, used in users.items()
        if len(used) > 1 and not all((ROOT / "solutions" / one).exists() for one in used)
    }
    assert not shared
