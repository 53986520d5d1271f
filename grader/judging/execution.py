"""One notebook in one sandbox: the student's cells in their kernel, setup in both, the tests in the
checker's, in released order.

A test cell says in a comment what it takes from the student, and nothing else crosses:
``# from-student: answer, file:Dockerfile`` hands over the variable ``answer`` as JSON and a copy of
that file of their folder.
"""

import base64
import json
import re
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any, TypeVar

from nbformat import NotebookNode

from grader.archive import UntrustedError
from grader.checks.values import holds
from grader.exercise.cells import ReleasedCell
from grader.judging.deadline import Deadline
from grader.judging.explanations import ASKED, Explanations
from grader.judging.inputs import (
    CheckNotMadeError,
    Inputs,
    assignments,
    is_undefined,
    json_expression,
    parse_inputs,
    stand_ins,
    type_expression,
    type_of,
    value_of,
)
from grader.judging.outputs import OutputRoom, error_output, notebook_outputs, verdict_outputs
from grader.judging.pace import BRISK_SECONDS, LOAD, LOAD_SECONDS, QUICK_SECONDS, Pace, measure_pace
from grader.judging.results import Check, Outcome
from grader.judging.score import NUMBERS, numbers_of, scored, unearned
from grader.sandbox.interface import CheckerKernel, KernelLostError, Reason, Reply, Sandbox

CAPTURED = re.compile(r"^%%?shell\b.*--capture[ =](\w+)", re.MULTILINE)
OWN_TIME = "Only the time that your own cells ran counts."
T = TypeVar("T")
NOT_SET_UP = "What this question needs could not be set up after your cells had run"
VERDICTS = ("CheckFailed", "AssertionError")


class Execution:
    """Runs one notebook. Raises SandboxError where the student is not at fault; if ``at_fault``
    (grader/judging/attempts.py), what cannot be done is told as theirs, and the rest is graded.
    """

    def __init__(
        self,
        sandbox: Sandbox,
        released: Sequence[ReleasedCell],
        deadline: Deadline | None = None,
        *,
        at_fault: bool = False,
    ) -> None:
        self._sandbox = sandbox
        self._limits = sandbox.limits
        self._released = {cell.grade_id: cell for cell in released}
        self._seconds_left = sandbox.limits.submission_seconds
        self._deadline = deadline or Deadline.of(sandbox.limits)
        self._pace = Pace(lambda: self._checker_says(measure_pace))
        self._room = OutputRoom()
        self._explanations = Explanations()
        self._at_fault = at_fault
        self._not_set_up: str | None = None
        self._student_ended: str | None = None  # why no further cell of the student runs
        self._engine_ended: str | None = None
        self._checks: dict[str, Check] = {}
        self._reason: Reason | None = None
        self._notes: list[str] = []
        self._technical: list[str] = []

    @property
    def outcome(self) -> Outcome:
        """What running the notebook has given so far."""
        return Outcome(self._checks, self._reason, self._notes, self._technical)

    @property
    def _quick(self) -> float:
        return self._pace.of(QUICK_SECONDS)

    def run(self, notebook: NotebookNode) -> Outcome:
        """Run all code cells in order and leave their outputs in the notebook."""
        if self._ask_checker(LOAD, LOAD_SECONDS, silent=True).seconds > BRISK_SECONDS:
            self._pace.measure()
        for cell in notebook.cells:
            if cell.cell_type != "code":
                continue
            released = self._released.get(cell.metadata.get("nbgrader", {}).get("grade_id"))
            if released is not None and released.is_test:
                check = self._fairly_checked(released)
                self._checks[released.grade_id] = check
                cell.outputs = verdict_outputs(check)
                continue
            self._run_student(cell, released)
            if released is not None and released.is_setup:
                self._set_up_fairly(released)
        return self.outcome

    def _run_student(self, cell: NotebookNode, released: ReleasedCell | None) -> None:
        if self._deadline.left <= 0 and not self._student_ended:
            self._end_student(self._out_of_time, "timeout")
        if self._seconds_left <= 0 and not self._student_ended:
            whole = (
                f"All cells together may take {self._limits.submission_seconds:g} s of their own"
                " time"
            )
            self._end_student(whole, "timeout")
        if self._student_ended:
            cell.outputs = [
                error_output("NotRun", f"{self._student_ended}: this cell was not run.")
            ]
            return
        nominal = min(self._limits.cell_seconds, self._seconds_left, self._deadline.left)
        self._pace.follow()
        limit = self._pace.limit(nominal, lambda: self._deadline.left)
        try:
            reply = self._sandbox.student.run(
                cell.source,
                limit.seconds,
                expressions=ASKED,
                extend=limit.extend,
                grace=limit.grace,
            )
        except KernelLostError as lost:
            self._student_lost(lost)
            cell.outputs = [error_output("KernelDied", f"{self._student_ended}.")]
            return
        self._seconds_left -= limit.nominal(reply.seconds)
        self._explanations.after(cell.source, released, reply)
        cell.outputs, notes = self._room.fit(notebook_outputs(reply.outputs))
        self._notes += notes
        if reply.status == "timeout":
            whose = (
                "of one cell" if nominal == self._limits.cell_seconds else "of all cells together"
            )
            whose = "of the whole submission" if self._deadline.left <= 0 else whose
            cell.outputs.append(
                error_output(
                    "Timeout",
                    f"This cell was stopped after {limit.seconds:.3g} s, at the time limit {whose}."
                    f" {OWN_TIME}",
                )
            )
            self._because("timeout")

    @property
    def _out_of_time(self) -> str:
        minutes = self._limits.grading_seconds / 60
        return f"A submission may take {minutes:.3g} minutes in all, checks included"

    def _student_lost(self, lost: KernelLostError) -> None:
        if lost.timed_out:
            self._end_student(
                "A cell did not end at its time limit, nor when it was interrupted", "timeout"
            )
        elif self._sandbox.death("student") == "out-of-memory":
            self._end_student(
                f"Your code needed more than {self._limits.kernel_memory} MiB of memory and was"
                " stopped",
                "out-of-memory",
            )
        else:
            self._end_student("The kernel of your notebook ended", "kernel-died")
            self._technical.append(f"The student's kernel was lost: {lost}.")
        self._sandbox.kill("student")

    def _end_student(self, why: str, reason: Reason) -> None:
        self._student_ended = why
        self._because(reason)

    def _because(self, reason: Reason) -> None:
        """The first thing that went wrong is the submission's reason."""
        self._reason = self._reason or reason

    def _set_up_fairly(self, released: ReleasedCell) -> None:
        try:
            self._set_up(released)
        except CheckNotMadeError as why:
            self._blame(why, released)
            self._not_set_up = NOT_SET_UP
            self._notes.append(f"{self._not_set_up}: {why.line}")

    def _fairly_checked(self, released: ReleasedCell) -> Check:
        try:
            check, why = self._without_drawn(self._check(released)), self._explanations.taken()
            return replace(check, message=check.message + why * (check.status == "failed"))
        except CheckNotMadeError as why:
            self._blame(why, released)
            self._technical.append(why.line)
            return unearned(
                released,
                "failed",
                f"This check could not be made after your cells had run: {why.line}"
                "\nExpected: an engine with what the questions ask for.\nTry: leave out what makes"
                " objects in large numbers, or takes names that the setup cells use.",
            )

    def _blame(self, why: CheckNotMadeError, released: ReleasedCell) -> None:
        """Raises what could not be done, unless the student is known to be at fault."""
        if not self._at_fault:
            why.grade_id = released.grade_id
            raise why
        if isinstance(lost := why.__cause__, KernelLostError):
            death = self._sandbox.death("checker") or "kernel-died"
            self._because("timeout" if lost.timed_out else death)

    def _run_ours(self, source: str) -> Reply:
        """Run a test or a setup cell, within what is left of the submission's time."""
        if self._deadline.left <= 0:
            return Reply("timeout")
        self._pace.follow()
        limit = self._pace.limit_of_ours(self._limits.check_seconds, lambda: self._deadline.left)
        return self._checker_says(
            lambda kernel: kernel.run(source, limit.seconds, extend=limit.extend, grace=limit.grace)
        )

    def _set_up(self, released: ReleasedCell) -> None:
        if self._engine_ended:
            return
        reply = self._run_ours(released.source)
        if reply.status == "timeout" and self._deadline.left <= 0:
            self._because("timeout")
            return
        if reply.status != "ok" and self._engine_out_of_memory():
            return
        if reply.status != "ok":
            raise CheckNotMadeError(
                f"The setup cell {released.grade_id} failed in the checker's kernel:"
                f" {': '.join(reply.error)}"
            )
        self._tell_student(CAPTURED.findall(released.source))

    def _tell_student(self, names: Sequence[str]) -> None:
        """Hand over what the checker's run of a setup cell captured."""
        if not names or self._student_ended:
            return
        asked = {name: json_expression(name) for name in names}
        claims = self._checker_says(
            lambda kernel: kernel.run("", self._quick, silent=True, expressions=asked)
        )
        values = {}
        for name in names:
            with suppress(ValueError):
                values[name] = value_of(claims.expressions.get(name))
        try:
            self._sandbox.student.run(assignments(values), self._quick, silent=True)
        except KernelLostError as lost:
            self._student_lost(lost)

    def _check(self, released: ReleasedCell) -> Check:
        inputs = parse_inputs(released.source)
        stopped = self._engine_ended or (self._student_ended if inputs.names else None)
        if self._deadline.left <= 0:
            stopped = self._out_of_time
            self._because("timeout")
        if stopped:
            return unearned(released, "skipped", f"{stopped}, so this check was not made.")
        missing = self._hand_over(inputs)
        reply = self._run_ours(released.source)
        numbers = self._numbers()
        if self._student_ended and missing:
            return unearned(
                released, "skipped", f"{self._student_ended}, so this check was not made."
            )
        if reply.status == "ok":
            return scored(released, reply.outputs, numbers)
        return self._judge(released, reply, missing)

    def _judge(self, released: ReleasedCell, reply: Reply, missing: dict[str, str]) -> Check:
        name, value = reply.error
        if reply.status == "timeout":
            self._because("timeout")
            within = f"{self._limits.check_seconds:g} s"
            if self._deadline.left <= 0:
                within = f"the {self._limits.grading_seconds:g} s of the whole submission"
            return unearned(
                released,
                "failed",
                f"The check did not end within {within}.\nExpected: an answer in time.\nTry: see"
                " whether what you started hangs.",
            )
        if name == "EnvironmentProblem":
            return self._environment_problem(released, value)
        if missing and name not in ("CheckFailed", "EnvironmentProblem"):
            what, why = next(iter(missing.items()))
            return unearned(
                released,
                "failed",
                f"`{what}` {why}.\nExpected: a variable `{what}` made by your cells.\nTry: give"
                f" `{what}` a value in the cell above, as the question asks.",
            )
        message = value if name in VERDICTS and value else f"The check ended with {name}: {value}"
        if self._not_set_up and name not in VERDICTS:
            message = (
                f"{self._not_set_up}.\nExpected: the names that the setup cells use, free.\nTry:"
                " leave them to the setup cells."
            )
        return unearned(released, "failed", message)

    def _environment_problem(self, released: ReleasedCell, message: str) -> Check:
        if not self._engine_out_of_memory():
            raise CheckNotMadeError(f"{released.title}: {message}")
        return unearned(released, "skipped", f"{self._engine_ended}, so this check was not made.")

    def _engine_out_of_memory(self) -> bool:
        if self._sandbox.death("engine") != "out-of-memory":
            return False
        self._because("out-of-memory")
        self._engine_ended = (
            f"Your containers needed more than {self._limits.engine_memory} MiB of memory together,"
            " which ended the engine"
        )
        return True

    def _numbers(self) -> list[float | None]:
        asked = {"numbers": json_expression(NUMBERS)}
        claims = self._checker_says(
            lambda kernel: kernel.run("", self._quick, silent=True, expressions=asked)
        )
        return numbers_of(claims.expressions.get("numbers"))

    def _without_drawn(self, check: Check) -> Check:
        """The check with ``…`` for each value that was drawn for it."""
        if not check.message or check.status == "skipped":
            return check
        asked = {"drawn": json_expression("_drawn.values()")}
        claims = self._checker_says(
            lambda kernel: kernel.run("", self._quick, silent=True, expressions=asked)
        )
        message = check.message
        for value in json.loads(value_of(claims.expressions.get("drawn"))):
            message = message.replace(value, "…")
        return replace(check, message=message)

    def _hand_over(self, inputs: Inputs) -> dict[str, str]:
        """Give the checker what the test takes; returns {name: why it is missing}."""
        for path in inputs.files:
            self._hand_over_file(path)
        if not inputs.names:
            return {}
        claims = self._student_values(inputs.names)
        values, missing, odd = {}, {}, {}
        for name in inputs.names:
            claim = claims.get(name, {"status": "error", "ename": "NameError"})
            try:
                values[name] = value_of(claim)
            except ValueError as why:
                missing[name] = str(why)
                if not is_undefined(claim):
                    odd[name] = type_of(claims.get(f"type of {name}"))
                    missing[name] = holds(odd[name])
        forget = "".join(f"globals().pop({name!r}, None)\n" for name in inputs.names)
        handed = forget + assignments(values) + stand_ins(odd)
        if self._ask_checker(handed, self._quick, silent=True).status != "ok":
            raise CheckNotMadeError("Values could not be handed to the checker's kernel")
        return missing

    def _student_values(self, names: Sequence[str]) -> dict[str, Any]:
        try:
            return self._sandbox.student.run(
                "",
                self._quick,
                silent=True,
                expressions={name: json_expression(name) for name in names}
                | {f"type of {name}": type_expression(name) for name in names},
            ).expressions
        except KernelLostError as lost:
            self._student_lost(lost)
            return {}

    def _hand_over_file(self, path: str) -> None:
        # what a setup cell of ours has written there is not the student's
        gone = f"__import__('pathlib').Path({path!r}).unlink(missing_ok=True)"
        self._ask_checker(gone, self._quick, silent=True)
        try:
            content = self._sandbox.read_file(path)
        except FileNotFoundError:
            return  # the test says it better
        except UntrustedError as why:
            self._notes.append(f"{path} was not collected: {why}.")
            return
        self._checker_says(lambda kernel: kernel.write(path, base64.b64encode(content).decode()))

    def _ask_checker(self, code: str, seconds: float, *, silent: bool = False) -> Reply:
        return self._checker_says(lambda kernel: kernel.run(code, seconds, silent=silent))

    def _checker_says(self, ask: Callable[[CheckerKernel], T]) -> T:
        try:
            return ask(self._sandbox.checker)
        except KernelLostError as lost:
            raise CheckNotMadeError(f"The checker's kernel was lost: {lost}") from lost
