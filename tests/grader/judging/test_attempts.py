"""What cannot be set up or checked costs the one who caused it: the student, if the same cells
succeed without them, and nobody otherwise.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from grader.judging.attempts import ATTEMPTS, execute_fairly
from grader.judging.deadline import Deadline
from grader.judging.repair import SubmittedCell, restore
from grader.judging.work import Work
from grader.sandbox.interface import KernelLostError, Reply, SandboxError, SandboxLimits

from .test_execution import PlayedSandbox, fine, released

SETUP = released("setup", "make_bell()")
TEST = released("q-test", '"""It rings"""\nring()', graded=True, points=2.0)
OTHER = released("r-test", '"""It works"""\nwork()', graded=True, points=1.0)
CELLS = (SETUP, TEST, OTHER)
SQUATTED = Reply("error", [], ("CalledProcessError", "the name bell is taken"))


def work(own: str = "take_bell()") -> Work:
    notebook, _ = restore(
        [
            SubmittedCell("code", own),
            *(SubmittedCell("code", one.source, one.grade_id) for one in CELLS),
        ],
        CELLS,
    )
    return Work(notebook, CELLS, {"own.txt": b"x"}, SandboxLimits())


class Machine:
    """Sandboxes whose checker sees what the student did in the same sandbox."""

    def __init__(self, checker: Callable[[str, list[str]], Reply]) -> None:
        self.made: list[PlayedSandbox] = []
        self._checker = checker

    @contextmanager
    def sandbox(self) -> Iterator[PlayedSandbox]:
        sandbox = PlayedSandbox(fine, fine)
        sandbox.checker.play = lambda code: self._checker(code, sandbox.student.ran)
        self.made.append(sandbox)
        yield sandbox


def squatting(code: str, before: list[str]) -> Reply:
    return SQUATTED if code == "make_bell()" and "take_bell()" in before else Reply("ok")


def test_a_setup_that_the_student_stands_in_the_way_of_is_told_as_theirs() -> None:
    machine = Machine(squatting)
    outcome = execute_fairly(work(), machine.sandbox, Deadline(60)).outcome
    assert outcome.reason is None
    assert [check.points for check in outcome.checks.values()] == [2, 1]
    assert "could not be set up after your cells" in outcome.notes[0]
    assert "the name bell is taken" in outcome.notes[0]
    without = machine.made[2]
    assert without.student.ran == ["make_bell()"], "once without any of the student's cells"
    assert without.brought == {}
    assert len(machine.made) == ATTEMPTS + 1


def test_a_setup_that_fails_for_everybody_is_our_side() -> None:
    machine = Machine(lambda code, _: SQUATTED if code == "make_bell()" else Reply("ok"))
    with pytest.raises(SandboxError, match="tried 3 times"):
        execute_fairly(work(), machine.sandbox, Deadline(60))


def test_a_setup_that_fails_twice_by_chance_costs_nothing() -> None:
    left = [2]

    def unlucky(code: str, _: list[str]) -> Reply:
        if code == "make_bell()" and left[0]:
            left[0] -= 1
            return SQUATTED
        return Reply("ok")

    machine = Machine(unlucky)
    outcome = execute_fairly(work(), machine.sandbox, Deadline(60)).outcome
    assert (outcome.reason, outcome.notes) == (None, [])
    assert [check.points for check in outcome.checks.values()] == [2, 1]


@pytest.mark.parametrize(
    ("fails", "says"),
    [
        (Reply("error", [], ("EnvironmentProblem", "the engine lists too much")), "too much"),
        (KernelLostError("gone"), "gone"),
    ],
)
def test_a_check_that_the_students_objects_stop_is_failed_and_the_others_are_made(
    fails: Reply | KernelLostError, says: str
) -> None:
    def flooded(code: str, before: list[str]) -> Reply:
        if "ring()" in code and "take_bell()" in before:
            if isinstance(fails, KernelLostError):
                raise fails
            return fails
        return Reply("ok")

    outcome = execute_fairly(work(), Machine(flooded).sandbox, Deadline(60)).outcome
    assert outcome.checks["q-test"].status == "failed"
    assert says in outcome.checks["q-test"].message
    assert outcome.checks["r-test"].points == 1
    assert len(outcome.checks["q-test"].message.splitlines()) == 3


def test_no_attempt_begins_when_the_time_is_over() -> None:
    now = [0.0]

    def slow(code: str, _: list[str]) -> Reply:
        now[0] += 100
        return SQUATTED if code == "make_bell()" else Reply("ok")

    machine = Machine(slow)
    with pytest.raises(SandboxError, match="tried 1 times"):
        execute_fairly(work(), machine.sandbox, Deadline(150, lambda: now[0]))
    assert len(machine.made) == 1


def test_checks_that_take_all_the_time_leave_none_for_the_next() -> None:
    now = [0.0]

    def hanging(code: str, _: list[str]) -> Reply:
        now[0] += 100
        return Reply("ok")

    outcome = execute_fairly(
        work(), Machine(hanging).sandbox, Deadline(250, lambda: now[0])
    ).outcome
    assert outcome.reason == "timeout"
    assert outcome.checks["r-test"].status == "skipped"
    assert "15 minutes in all" in outcome.checks["r-test"].message


def test_waiting_for_a_sandbox_does_not_count() -> None:
    now = [0.0]
    deadline = Deadline(10, lambda: now[0])
    with deadline.paused():
        now[0] += 100
    assert deadline.left == 10
    now[0] += 4
    assert deadline.left == 6
