"""Grades many broken versions of an exercise: broken answers share submissions, broken test cells
look at one submission side by side.
"""

import json
import re
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from threading import Lock
from typing import Any

import docker
from docker.errors import DockerException

from grader.archive import folder_members, take
from grader.course import RELEASE, SOURCE, Course
from grader.exercise.cells import ReleasedCell
from grader.exercise.cluster import nodes_of
from grader.exercise.lint import source_text
from grader.gradebook.record import ensure_assignment, released_cells
from grader.judging.execution import Execution
from grader.judging.repair import read, restore
from grader.judging.results import Check
from grader.run.local import ATTEMPTS
from grader.sandbox.containers import SandboxImage
from grader.sandbox.docker import DockerSandbox
from grader.sandbox.interface import KernelLostError, SandboxError
from lab.course import ROOT

from ..exercises import (
    LIMITS,
    Exercise,
    Wrong,
    cell_id,
    first_lost,
    pattern,
    sanitized,
    submissions,
    together,
)
from .mutants import Mutant, of_answer, of_code

WORKERS = 2
MARKERS = ("### BEGIN", "### END")


@dataclass(frozen=True)
class Submission:
    """A submission whose verdicts are known: the solution, the release, or some wrong answers."""

    exercise: Exercise
    notebook: dict[str, Any]
    wrong: Sequence[Wrong] = ()
    empty: bool = False

    def judges(self, check: str) -> bool:
        """Whether more is known of this check than that it is passed, as in the solution."""
        return not self.wrong or any(check in wrong.points for wrong in self.wrong)

    def expects(self, name: str, check: Check) -> bool:
        """Whether this verdict is the known one."""
        if self.empty:
            return check.points == 0 and len(check.message.splitlines()) == 3
        for wrong in self.wrong:
            if name in wrong.points:
                says = name != first_lost(wrong, self.exercise) or re.fullmatch(
                    pattern(wrong.message.strip()), sanitized(check.message).strip()
                )
                return check.points == wrong.points[name] and bool(says)
        return check.status == "passed"


def broken_answers(exercise: Exercise) -> list[Mutant]:
    """All mutants of the answers that its solution gives."""
    return [
        mutant
        for name in exercise.answers
        for mutant in of_answer(f"{exercise.name}: {name}", _text(exercise, name))
    ]


def broken_cells(exercise: Exercise) -> list[Mutant]:
    """All mutants of its test cells, hidden tests included."""
    tests = [name for name in exercise.checks if name not in exercise.by_hand]
    return [
        mutant
        for name in tests
        for mutant in of_code(f"{exercise.name}: {name}", _text(exercise, name))
    ]


def _text(exercise: Exercise, name: str) -> str:
    """A cell as it runs: without what marks a part of it as solution or hidden."""
    source = source_text(next(cell for cell in exercise.notebook["cells"] if cell_id(cell) == name))
    return "\n".join(line for line in source.splitlines() if not line.startswith(MARKERS)) + "\n"


class Marking:
    """One exercise and the sandboxes in which it is graded. Its gradebook is made in ``folder``,
    which holds ``solutions/``.
    """

    def __init__(
        self, exercise: Exercise, client: docker.DockerClient, place: SandboxImage, folder: Path
    ) -> None:
        self.exercise = exercise
        self._client = client
        self._place = place
        ensure_assignment(Course(folder), exercise.name)
        (self._cells,) = released_cells(Course(folder), exercise.name).values()
        self._nodes = nodes_of(ROOT / SOURCE / exercise.name / f"{exercise.name}.ipynb")
        found = take(folder_members(ROOT / SOURCE / exercise.name)).files
        self._files = {
            path: content for path, content in found.items() if not path.endswith(".ipynb")
        }

    def verdicts(
        self, notebook: dict[str, Any], more: Iterable[ReleasedCell] = ()
    ) -> dict[str, Check]:
        """The verdict on each test cell, and on ``more`` cells, each made right behind the one
        whose id its own begins with.
        """
        behind: dict[str, list[ReleasedCell]] = {}
        for cell in more:
            behind.setdefault(cell.grade_id.split("~")[0], []).append(cell)
        cells = [cell for known in self._cells for cell in (known, *behind.get(known.grade_id, []))]
        restored, _ = restore(read(json.dumps(notebook).encode()), cells)
        for attempt in range(1, ATTEMPTS + 1):
            try:
                with DockerSandbox(self._client, self._place, LIMITS, nodes=self._nodes) as sandbox:
                    sandbox.bring(self._files)
                    return Execution(sandbox, cells).run(restored).checks
            except SandboxError as error:
                if attempt == ATTEMPTS or not isinstance(
                    error.__cause__, KernelLostError | DockerException
                ):
                    raise
        raise AssertionError("unreachable")

    # broken answers

    def still_right(self, broken: Sequence[Mutant]) -> list[Mutant]:
        """Those that lose no point."""
        groups = together(broken, lambda mutant: self._touched[mutant.cell])
        with ThreadPoolExecutor(WORKERS) as pool:
            return [
                mutant for found in pool.map(self._unnoticed_answers, groups) for mutant in found
            ]

    def _unnoticed_answers(self, group: Sequence[Mutant]) -> list[Mutant]:
        checks = self.verdicts(
            self.exercise.with_answers({mutant.cell: mutant.source for mutant in group})
        )
        lost = {name for name, check in checks.items() if check.status != "passed"}
        return [mutant for mutant in group if not self._touched[mutant.cell] & lost]

    @cached_property
    def _touched(self) -> dict[str, set[str]]:
        """The checks that an answer can cost: those below its heading, and those that a wrong
        answer in its place costs.
        """
        touched = {
            answer: {answer, *checks}
            for answers, checks in self.exercise.sections
            for answer in answers
        }
        for wrong in self.exercise.wrong:
            touched[wrong.question] |= set(wrong.points)
        return touched

    # broken test cells

    def unnoticed(self, broken: Sequence[Mutant]) -> list[Mutant]:
        """Those that give every submission whose verdict is known that same verdict."""
        alive, lock = list(broken), Lock()

        def tried_on(submission: Submission) -> None:
            mutants = [mutant for mutant in alive if submission.judges(mutant.cell)]
            noticed = list(self._noticed(submission, mutants)) if mutants else []
            with lock:
                alive[:] = [mutant for mutant in alive if mutant not in noticed]

        with ThreadPoolExecutor(WORKERS) as pool:
            list(pool.map(tried_on, self._submissions()))
        return alive

    def _submissions(self) -> list[Submission]:
        name = self.exercise.name
        released = json.loads((ROOT / RELEASE / name / f"{name}.ipynb").read_text())
        return [
            Submission(self.exercise, self.exercise.notebook),
            Submission(self.exercise, released, empty=True),
            *(
                Submission(
                    self.exercise,
                    self.exercise.with_answers({wrong.question: wrong.answer for wrong in group}),
                    group,
                )
                for group in submissions(self.exercise.wrong)
            ),
        ]

    def _noticed(self, submission: Submission, mutants: Sequence[Mutant]) -> Iterator[Mutant]:
        known = {cell.grade_id: cell for cell in self._cells}
        broken = {
            f"{mutant.cell}~{number}": replace(
                known[mutant.cell], grade_id=f"{mutant.cell}~{number}", source=mutant.source
            )
            for number, mutant in enumerate(mutants)
        }
        try:
            checks = self.verdicts(submission.notebook, broken.values())
        except (
            SandboxError
        ):  # as when a check gives more points than there are: nobody would get a grade
            if len(mutants) == 1:
                self.verdicts(submission.notebook)
                yield from mutants
            else:
                half = len(mutants) // 2
                yield from self._noticed(submission, mutants[:half])
                yield from self._noticed(submission, mutants[half:])
            return
        for name in {mutant.cell for mutant in mutants}:
            assert submission.expects(name, checks[name]), (
                f"{name} is wrong before it is broken: {checks[name]}"
            )
        for number, mutant in enumerate(mutants):
            if not submission.expects(mutant.cell, checks[f"{mutant.cell}~{number}"]):
                yield mutant
