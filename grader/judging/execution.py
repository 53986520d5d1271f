"""One notebook in one sandbox: the student's cells in their kernel, setup in both, the tests in the
checker's, in released order.

A test cell says in a comment what it takes from the student, and nothing else crosses:
``# from-student: answer, file:Dockerfile`` hands over the variable ``answer`` as JSON and a copy of
that file of their folder.
"""

import base64
import json
import math
import re
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any, TypeVar

from nbformat import NotebookNode

from grader.archive import UntrustedError
from grader.exercise.cells import ReleasedCell
from grader.judging.inputs import (
    CheckNotMadeError,
    Inputs,
    assignments,
    json_expression,
    parse_inputs,
    value_of,
)
from grader.judging.outputs import error_output, notebook_outputs, returned_number, verdict_outputs
from grader.judging.results import Check, Outcome
from grader.sandbox.interface import CheckerKernel, KernelLostError, Reason, Reply, Sandbox

CAPTURED = re.compile(r"^%%?shell\b.*--capture[ =](\w+)", re.MULTILINE)
QUICK_SECONDS = 10.0  # reading and setting variables
OWN_TIME = "Only the time that your own cells ran counts."
T = TypeVar("T")
VERDICTS = ("CheckFailed", "AssertionError")


class Execution:
    """Runs one notebook. Raises SandboxError where the student is not at fault."""

    def __init__(self, sandbox: Sandbox, released: Sequence[ReleasedCell]) -> None:
        self._sandbox = sandbox
        self._limits = sandbox.limits
        self._released = {cell.grade_id: cell for cell in released}
        self._seconds_left = sandbox.limits.submission_seconds
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

    def run(self, notebook: NotebookNode) -> Outcome:
        """Run all code cells in order and leave their outputs in the notebook."""
        self._ask_checker(
            "from grader.checks import drawn as _drawn; _drawn.watch()", QUICK_SECONDS, silent=True
        )
        for cell in notebook.cells:
            if cell.cell_type != "code":
                continue
            released = self._released.get(cell.metadata.get("nbgrader", {}).get("grade_id"))
            if released is not None and released.is_test:
                check = self._without_drawn(self._check(released))
                self._checks[released.grade_id] = check
                cell.outputs = verdict_outputs(check)
                continue
            self._run_student(cell)
            if released is not None and released.is_setup:
                self._set_up(released)
        return self.outcome

    def _run_student(self, cell: NotebookNode) -> None:
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
        limit = min(self._limits.cell_seconds, self._seconds_left)
        whose = "of one cell" if limit == self._limits.cell_seconds else "of all cells together"
        try:
            reply = self._sandbox.student.run(cell.source, limit)
        except KernelLostError as lost:
            self._student_lost(lost)
            cell.outputs = [error_output("KernelDied", f"{self._student_ended}.")]
            return
        self._seconds_left -= reply.seconds
        cell.outputs = notebook_outputs(reply.outputs)
        if reply.status == "timeout":
            cell.outputs.append(
                error_output(
                    "Timeout",
                    f"This cell was stopped after {limit:.3g} s, at the time limit {whose}."
                    f" {OWN_TIME}",
                )
            )
            self._because("timeout")

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

    def _set_up(self, released: ReleasedCell) -> None:
        reply = self._ask_checker(released.source, self._limits.check_seconds)
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
            lambda kernel: kernel.run("", QUICK_SECONDS, silent=True, expressions=asked)
        )
        values = {}
        for name in names:
            with suppress(ValueError):
                values[name] = value_of(claims.expressions.get(name))
        try:
            self._sandbox.student.run(assignments(values), QUICK_SECONDS, silent=True)
        except KernelLostError as lost:
            self._student_lost(lost)

    def _check(self, released: ReleasedCell) -> Check:
        inputs = parse_inputs(released.source)
        stopped = self._engine_ended or (self._student_ended if inputs.names else None)
        if stopped:
            return self._verdict(released, "skipped", f"{stopped}, so this check was not made.")
        missing = self._hand_over(inputs)
        reply = self._ask_checker(released.source, self._limits.check_seconds)
        if self._student_ended and missing:
            return self._verdict(
                released, "skipped", f"{self._student_ended}, so this check was not made."
            )
        return self._judge(released, reply, missing)

    def _judge(self, released: ReleasedCell, reply: Reply, missing: dict[str, str]) -> Check:
        name, value = reply.error
        if reply.status == "ok":
            return self._score(released, reply)
        if reply.status == "timeout":
            self._because("timeout")
            limit = f"{self._limits.check_seconds:g} s"
            return self._verdict(
                released,
                "failed",
                f"The check did not end within {limit}.\nExpected: an answer in time.\nTry: see"
                " whether what you started hangs.",
            )
        if name == "EnvironmentProblem":
            return self._environment_problem(released, value)
        if name == "NameError" and missing:
            what, why = next(iter(missing.items()))
            return self._verdict(
                released,
                "failed",
                f"`{what}` {why}.\nExpected: a variable `{what}` made by your cells.\nTry: give"
                f" `{what}` a value in the cell above, as the question asks.",
            )
        message = value if name in VERDICTS and value else f"The check ended with {name}: {value}"
        return self._verdict(released, "failed", message)

    def _environment_problem(self, released: ReleasedCell, message: str) -> Check:
        if self._sandbox.death("engine") != "out-of-memory":
            raise CheckNotMadeError(f"{released.title}: {message}")
        self._because("out-of-memory")
        self._engine_ended = (
            f"Your containers needed more than {self._limits.engine_memory} MiB of memory together,"
            " which ended the engine"
        )
        return self._verdict(
            released, "skipped", f"{self._engine_ended}, so this check was not made."
        )

    def _score(self, released: ReleasedCell, reply: Reply) -> Check:
        """Full points, or the number that the last expression gives; what it printed says why."""
        points = returned_number(reply.outputs)
        if points is None or points == released.points:
            return Check(released.title, released.points, released.points, "passed")
        if not (math.isfinite(points) and 0 <= points <= released.points):
            raise CheckNotMadeError(
                f"The check {released.grade_id} gave {points:g} of {released.points:g} points"
            )
        printed = "".join(
            str(output.get("text", ""))
            for output in reply.outputs
            if output.get("name") == "stdout"
        ).strip()
        return Check(
            released.title,
            points,
            released.points,
            "failed",
            printed or f"{points:g} of {released.points:g} points: a part of it is right.",
        )

    def _verdict(self, released: ReleasedCell, status: Any, message: str) -> Check:
        return Check(released.title, 0.0, released.points, status, message)

    def _without_drawn(self, check: Check) -> Check:
        """The check with ``…`` for each value that was drawn for it."""
        if not check.message or check.status == "skipped":
            return check
        asked = {"drawn": json_expression("_drawn.values()")}
        claims = self._checker_says(
            lambda kernel: kernel.run("", QUICK_SECONDS, silent=True, expressions=asked)
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
        values, missing = {}, {}
        for name in inputs.names:
            try:
                values[name] = value_of(claims.get(name, {"status": "error", "ename": "NameError"}))
            except ValueError as why:
                missing[name] = str(why)
        forget = "".join(f"globals().pop({name!r}, None)\n" for name in inputs.names)
        if (
            self._ask_checker(forget + assignments(values), QUICK_SECONDS, silent=True).status
            != "ok"
        ):
            raise CheckNotMadeError("Values could not be handed to the checker's kernel")
        return missing

    def _student_values(self, names: Sequence[str]) -> dict[str, Any]:
        try:
            return self._sandbox.student.run(
                "",
                QUICK_SECONDS,
                silent=True,
                expressions={name: json_expression(name) for name in names},
            ).expressions
        except KernelLostError as lost:
            self._student_lost(lost)
            return {}

    def _hand_over_file(self, path: str) -> None:
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
