"""A class of thirty, ten of them hostile and three with broken work, in a run that is killed in the
middle, and has 3 GiB of memory.
"""

import json
import shutil
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from grader.course import RELEASE, SOURCE
from grader.sandbox.owners import sweep
from lab.course import ROOT

from ...exercises import Exercise, cell_id, submissions
from .runs import Runs, failures, summary

pytestmark = [pytest.mark.machine, pytest.mark.grading, pytest.mark.timeout(3000)]

NAME = "01-containers"
EXERCISE = Exercise(NAME)
SIZE = 30
FULL = sum(points for check, points in EXERCISE.checks.items() if check not in EXERCISE.by_hand)
Notebook = dict[str, Any]
Expected = tuple[str, float, str | None]

OUT_OF_THE_SANDBOX = """import subprocess
kill = ["busybox", "sh", "-c", "rm -rf /host/*; kill -9 -1"]
for way in ("--privileged", "-v=/:/host", "--pid=host", "--network=container:checker"):
    subprocess.run(["docker", "run", "--rm", way, *kill])
"""


def before(grade_id: str, code: str) -> Notebook:
    """The solution with a cell of one's own before an answer."""
    notebook = EXERCISE.notebook
    place = next(number for number, one in enumerate(notebook["cells"]) if cell_id(one) == grade_id)
    own = {
        "cell_type": "code",
        "id": "own",
        "metadata": {},
        "source": code,
        "outputs": [],
        "execution_count": None,
    }
    notebook["cells"].insert(place, own)
    return notebook


def released() -> Notebook:
    content: Notebook = json.loads((ROOT / RELEASE / NAME / f"{NAME}.ipynb").read_text())
    return content


def with_more(*cells: dict[str, Any]) -> Notebook:
    notebook = EXERCISE.notebook
    return {**notebook, "cells": [*notebook["cells"], *cells]}


def new_cell(kind: str, source: str, **metadata: Any) -> dict[str, Any]:
    code = {"outputs": [], "execution_count": None} if kind == "code" else {}
    return {"cell_type": kind, "metadata": metadata, "source": source, **code}


def claims_much() -> Notebook:
    claims = ({"grade_id": f"bonus-{number}", "points": 100} for number in range(5000))
    return with_more(*(new_cell("markdown", "", nbgrader=claim) for claim in claims))


def full_of_nothing() -> str:
    """Small in bytes, and a gigabyte as objects."""
    return '{"nbformat": 4, "cells": [], "metadata": [' + "[]," * 25_000_000 + "[]]}"


def checks_in(notebook: Notebook) -> list[dict[str, Any]]:
    return [
        one
        for one in notebook["cells"]
        if cell_id(one) in EXERCISE.checks and one["cell_type"] == "code"
    ]


def never_run() -> Notebook:
    notebook = released()
    for cell in checks_in(notebook):
        cell["metadata"]["tags"] = ["skip-execution"]
    return notebook


def worth_a_hundred() -> Notebook:
    notebook = released()
    for cell in checks_in(notebook):
        cell["metadata"]["nbgrader"]["points"] = 100
        cell["source"] = "100"
    return notebook


def empty() -> Notebook:
    return {**released(), "cells": []}


def hostile_and_broken() -> dict[str, tuple[Notebook | str | None, Expected]]:
    """What each hands in (a text: no notebook; None: nothing), and what it must get."""
    return {
        "hostile-skips-the-tests": (never_run(), ("graded", 0, None)),
        "hostile-worth-a-hundred": (worth_a_hundred(), ("graded", 0, None)),
        "hostile-out-of-the-sandbox": (before("cache", OUT_OF_THE_SANDBOX), ("graded", FULL, None)),
        "hostile-ends-the-kernel": (
            before("job", "import os; os._exit(0)"),
            ("graded", 6, "kernel-died"),
        ),
        "hostile-never-ends": (before("diary", "while True: pass"), ("graded", FULL, "timeout")),
        "hostile-prints-much": (
            with_more(*(new_cell("code", "print('x' * 298_000)") for _ in range(300))),
            ("graded", FULL, None),
        ),
        "hostile-claims-much": (claims_much(), ("graded", FULL, None)),
        "hostile-writes-much": (
            with_more(new_cell("code", "'" + "a " * 900_000 + "'")),
            ("graded", FULL, None),
        ),
        "hostile-shows-what-no-file-holds": (
            before("cache", "display({'text/plain': '\\ud800'}, raw=True)\n"),
            ("graded", FULL, None),
        ),
        "hostile-full-of-nothing": (full_of_nothing(), ("not-graded", 0, "over-limit")),
        "broken-no-notebook": ("{", ("not-graded", 0, "malformed")),
        "broken-nothing": (None, ("not-graded", 0, "malformed")),
        "broken-no-cells": (empty(), ("graded", 0, None)),
    }


def right_and_wrong() -> dict[str, tuple[Notebook | str | None, Expected]]:
    """The others: some make mistakes, each of which costs what it costs."""
    work: dict[str, tuple[Notebook | str | None, Expected]] = {}
    for number, group in enumerate(submissions(EXERCISE.wrong)):
        lost = sum(
            EXERCISE.checks[check] - points
            for wrong in group
            for check, points in wrong.points.items()
        )
        notebook = EXERCISE.with_answers({wrong.question: wrong.answer for wrong in group})
        work[f"mistakes-{number}"] = (notebook, ("graded", FULL - lost, None))
    for number in range(SIZE - len(hostile_and_broken()) - len(work)):
        work[f"right-{number:02}"] = (EXERCISE.notebook, ("graded", FULL, None))
    return work


class Memory:
    """The most that a run and its processes had at once, in MiB, looked at again and again."""

    def __init__(self, process: int) -> None:
        self.most = 0
        self._process = process
        threading.Thread(target=self._watch, daemon=True).start()

    def _watch(self) -> None:
        while Path(f"/proc/{self._process}").exists():
            self.most = max(self.most, sum(map(own_memory, family(self._process))))
            time.sleep(0.1)


def family(process: int) -> list[int]:
    """A process with all below it."""
    parents = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            parents[int(stat.parent.name)] = int(stat.read_text().rpartition(")")[2].split()[1])
    found = [process]
    for one in found:
        found += [child for child, parent in parents.items() if parent == one]
    return found


def own_memory(process: int) -> int:
    with suppress(OSError):
        for line in Path(f"/proc/{process}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) >> 10
    return 0


@pytest.fixture
def class_of_thirty(tmp_path: Path) -> Iterator[tuple[Runs, dict[str, Expected]]]:
    shutil.copytree(ROOT / SOURCE / NAME, tmp_path / SOURCE / NAME)
    work = hostile_and_broken() | right_and_wrong()
    for student, (content, _) in work.items():
        folder = tmp_path / "submitted" / student / NAME
        folder.mkdir(parents=True)
        if content is not None:
            text = content if isinstance(content, str) else json.dumps(content)
            (folder / f"{NAME}.ipynb").write_text(text)
    made = Runs(tmp_path, NAME)
    yield made, {student: expected for student, (_, expected) in work.items()}
    sweep(made.client)


def test_everybody_gets_their_own_points_although_the_run_is_killed(
    class_of_thirty: tuple[Runs, dict[str, Expected]],
) -> None:
    runs, expected = class_of_thirty
    assert len(expected) == SIZE
    options = ("--cell-seconds", "30")
    running = runs.start(*options)
    memory = Memory(running.pid)
    runs.until(lambda: len(runs.graded()) >= SIZE // 2, running)
    running.send_signal(signal.SIGKILL)
    running.communicate()
    assert 100 < memory.most < 3 << 10
    done = runs.graded()
    document, said = runs.finish(*options)
    assert summary(document) == expected, failures(document)
    assert f"{len(done)} unchanged" in said
    assert done.items() <= runs.graded().items(), "nothing was graded twice"
    assert runs.left() == []
