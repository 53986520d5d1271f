"""Cells in their kernels and verdicts from what comes back, with kernels that are played."""

import json
from collections.abc import Callable, Mapping
from typing import Any

import pytest
from nbformat import NotebookNode

from grader.exercise.cells import ReleasedCell
from grader.judging.execution import Execution
from grader.judging.inputs import CheckNotMadeError, Inputs, parse_inputs
from grader.judging.outputs import notebook_outputs
from grader.judging.repair import SubmittedCell, restore
from grader.sandbox.interface import Extend, KernelLostError, Reason, Reply, SandboxLimits

TEST = '"""It works"""\n# from-student: answer, file:Dockerfile\ncheck()'
Play = Callable[[str], Reply]


def released(grade_id: str, source: str, **more: Any) -> ReleasedCell:
    known = {
        "cell_type": "code",
        "locked": True,
        "graded": False,
        "solution": False,
        "task": False,
        "points": 0.0,
    }
    return ReleasedCell(grade_id=grade_id, source=source, checksum="0", **{**known, **more})


class PlayedKernel:
    def __init__(self, play: Play) -> None:
        self.play = play
        self.ran: list[str] = []
        self.seconds: list[float] = []
        self.late, self.pace = False, "1.0"
        self.written: dict[str, str] = {}
        self.numbers: list[float | None] = []

    def run(
        self,
        code: str,
        seconds: float,
        *,
        silent: bool = False,
        expressions: dict[str, str] | None = None,
        extend: Extend | None = None,
        grace: float = 0,
    ) -> Reply:
        self.ran.append(code)
        self.seconds.append(seconds)
        if extend and self.late:
            self.seconds[-1] += extend()
        reply = self.play(code)
        if code:  # the relay's real kernel keeps them for the cell that ran last
            self.numbers = [
                float(output["data"]["text/plain"])
                for output in reply.outputs
                if output["output_type"] == "execute_result"
            ]
        if expressions:
            values = {"drawn": '["4711"]', "numbers": json.dumps(self.numbers), "pace": self.pace}
            reply.expressions = {
                name: {"status": "ok", "data": {"text/plain": repr(values.get(name, "7"))}}
                for name in expressions
            }
        return reply

    def write(self, path: str, data: str) -> None:
        self.written[path] = data


class PlayedSandbox:
    def __init__(
        self, student: Play, checker: Play, deaths: dict[str, Reason | None] | None = None
    ) -> None:
        self.limits = SandboxLimits(cell_seconds=5, submission_seconds=9)
        self.student, self.checker = PlayedKernel(student), PlayedKernel(checker)
        self.deaths = deaths or {}
        self.brought: dict[str, bytes] = {}

    def bring(self, files: Mapping[str, bytes]) -> None:
        self.brought |= files

    def read_file(self, path: str) -> bytes:
        return b"FROM busybox"

    def death(self, role: str) -> Reason | None:
        return self.deaths.get(role)

    def kill(self, role: str) -> None: ...


def fine(code: str) -> Reply:
    return Reply("ok")


def lost(code: str) -> Reply:
    raise KernelLostError("gone")


def failing(name: str, value: str, *, on: str = "check()") -> Play:
    return lambda code: Reply("error", [], (name, value)) if on in code else Reply("ok")


def run(
    sandbox: PlayedSandbox, cells: list[ReleasedCell], own: str = "work()"
) -> tuple[Execution, NotebookNode]:
    notebook, _ = restore([SubmittedCell("code", own)], cells)
    execution = Execution(sandbox, cells)
    execution.run(notebook)
    return execution, notebook


T1 = released("t1", TEST, graded=True, points=3.0)
T2 = released("t2", '"""The engine is right"""\ncheck()', graded=True, points=2.0)


def test_test_cell_never_runs_in_the_students_kernel() -> None:
    sandbox = PlayedSandbox(fine, fine)
    run(sandbox, [T1])
    assert [code for code in sandbox.student.ran if "check()" in code] == []
    assert TEST in sandbox.checker.ran


def test_setup_runs_in_both() -> None:
    sandbox = PlayedSandbox(fine, fine)
    run(sandbox, [released("setup", "x = 1")])
    assert "x = 1" in sandbox.student.ran
    assert "x = 1" in sandbox.checker.ran


def test_what_setup_captured_is_the_checkers_in_both() -> None:
    sandbox = PlayedSandbox(fine, fine)
    run(
        sandbox,
        [
            released("setup", "%%shell --capture soup\necho $RANDOM"),
            released("more", "%shell --timeout 9 --capture=serial date"),
        ],
    )
    assert "soup = __import__('json').loads('7')\n" in sandbox.student.ran
    assert "serial = __import__('json').loads('7')\n" in sandbox.student.ran


def test_student_who_is_gone_is_told_nothing() -> None:
    sandbox = PlayedSandbox(lambda code: lost(code) if "RANDOM" in code else Reply("ok"), fine)
    execution, _ = run(sandbox, [released("setup", "%%shell --capture soup\necho $RANDOM")])
    assert execution.outcome.reason == "kernel-died"
    assert sandbox.student.ran[-1] == "%%shell --capture soup\necho $RANDOM"


def test_named_values_and_files_cross_and_nothing_else() -> None:
    sandbox = PlayedSandbox(fine, fine)
    run(sandbox, [T1])
    # first of all, what a setup cell of ours may have written under the file's name
    assert "Path('Dockerfile').unlink(" in sandbox.checker.ran[1]
    assert (
        sandbox.checker.ran[2]
        == "globals().pop('answer', None)\nanswer = __import__('json').loads('7')\n"
    )
    assert list(sandbox.checker.written) == ["Dockerfile"]


def test_full_points_without_a_number() -> None:
    execution, notebook = run(PlayedSandbox(fine, fine), [T2])
    check = execution.outcome.checks["t2"]
    assert (check.name, check.points, check.status) == ("The engine is right", 2, "passed")
    assert notebook.cells[-1].outputs == []


def number(text: str, said: str = "") -> Play:
    outputs = [
        {"output_type": "stream", "name": "stdout", "text": said},
        {"output_type": "execute_result", "data": {"text/plain": text}},
    ]
    return lambda code: Reply("ok", outputs) if "check()" in code else Reply("ok")


def test_number_is_partial_credit_with_what_was_printed() -> None:
    execution, notebook = run(PlayedSandbox(fine, number("1.5", "half of it")), [T2])
    check = execution.outcome.checks["t2"]
    assert (check.points, check.status, check.message) == (1.5, "failed", "half of it")
    assert notebook.cells[-1].outputs[-1].data["text/plain"] == "1.5"


def test_number_counts_where_the_output_was_cut_before_it() -> None:
    sandbox = PlayedSandbox(fine, lambda code: Reply("ok"))
    play = sandbox.checker.run

    def cut(code: str, seconds: float, **options: Any) -> Reply:
        sandbox.checker.numbers = [1.0]
        return play("", seconds, **options)

    sandbox.checker.run = cut  # type: ignore[method-assign]
    execution, _ = run(sandbox, [T2])
    check = execution.outcome.checks["t2"]
    assert (check.points, check.status) == (1, "failed")


@pytest.mark.parametrize("numbers", [[None], [2.0, 2.0], [2.0, None]])
def test_credit_without_one_number_is_a_fault_of_the_check(numbers: list[float | None]) -> None:
    sandbox = PlayedSandbox(fine, lambda code: Reply("ok"))
    play = sandbox.checker.run

    def odd(code: str, seconds: float, **options: Any) -> Reply:
        sandbox.checker.numbers = numbers
        return play("", seconds, **options)

    sandbox.checker.run = odd  # type: ignore[method-assign]
    with pytest.raises(CheckNotMadeError, match="did not come to its end, or more than one"):
        run(sandbox, [T2])


@pytest.mark.parametrize("text", ["7", "-1", "nan", "inf"])
def test_number_that_cannot_be_is_a_fault_of_the_check(text: str) -> None:
    with pytest.raises(CheckNotMadeError):
        run(PlayedSandbox(fine, number(text)), [T2])


@pytest.mark.parametrize(
    ("name", "message"), [("CheckFailed", "a\nb\nc"), ("AssertionError", "a\nb\nc")]
)
def test_failure_says_its_three_lines(name: str, message: str) -> None:
    execution, notebook = run(PlayedSandbox(fine, failing(name, message)), [T2])
    assert execution.outcome.checks["t2"].message == message
    assert notebook.cells[-1].outputs[0].output_type == "error"
    assert execution.outcome.reason is None


def test_environment_problem_is_not_the_students() -> None:
    with pytest.raises(CheckNotMadeError, match="no engine"):
        run(PlayedSandbox(fine, failing("EnvironmentProblem", "no engine")), [T2])


def test_engine_that_the_student_exhausted_ends_the_checks_but_keeps_points() -> None:
    play = failing("EnvironmentProblem", "no engine", on="late()")
    late = released("t3", "late()", graded=True, points=1.0)
    execution, _ = run(PlayedSandbox(fine, play, {"engine": "out-of-memory"}), [T2, late, T1])
    assert [check.points for check in execution.outcome.checks.values()] == [2, 0, 0]
    assert [check.status for check in execution.outcome.checks.values()] == [
        "passed",
        "skipped",
        "skipped",
    ]
    assert execution.outcome.reason == "out-of-memory"


def test_check_without_an_end_fails_in_time() -> None:
    execution, _ = run(
        PlayedSandbox(fine, lambda code: Reply("timeout") if "check()" in code else Reply("ok")),
        [T2],
    )
    assert execution.outcome.checks["t2"].status == "failed"
    assert execution.outcome.reason == "timeout"


def test_lost_checker_is_ours() -> None:
    with pytest.raises(CheckNotMadeError):
        run(PlayedSandbox(fine, lost), [T2])


@pytest.mark.parametrize("reason", ["out-of-memory", "kernel-died"])
def test_lost_student_kernel_skips_what_needs_it(reason: Reason) -> None:
    execution, _ = run(PlayedSandbox(lost, fine, {"student": reason}), [T1, T2])
    assert [check.status for check in execution.outcome.checks.values()] == ["skipped", "passed"]
    assert execution.outcome.reason == reason


def test_all_cells_together_have_a_limit() -> None:
    sandbox = PlayedSandbox(lambda code: Reply("ok", seconds=5.0), fine)
    cells = [SubmittedCell("code", f"cell {number}") for number in range(4)]
    notebook, _ = restore(cells, [T2])
    execution = Execution(sandbox, [T2])
    execution.run(notebook)
    assert sandbox.student.ran == ["cell 0", "cell 1"]
    assert (execution.outcome.reason, execution.outcome.checks["t2"].points) == ("timeout", 2)


@pytest.mark.parametrize(
    ("before", "whose"), [(0.0, "of one cell"), (5.0, "of all cells together")]
)
def test_stopped_cell_says_which_limit_and_whose_time(before: float, whose: str) -> None:
    def play(code: str) -> Reply:
        return Reply("timeout") if code == "loop" else Reply("ok", seconds=before)

    notebook, _ = restore([SubmittedCell("code", "work"), SubmittedCell("code", "loop")], [T2])
    Execution(PlayedSandbox(play, fine), [T2]).run(notebook)
    said = notebook.cells[1].outputs[-1].evalue
    assert f"the time limit {whose}. Only the time that your own cells ran counts." in said


def test_cell_that_a_slow_machine_keeps_waiting_gets_more_time() -> None:
    sandbox = PlayedSandbox(lambda code: Reply("ok", seconds=12.0), fine)
    sandbox.student.late, sandbox.checker.pace = True, "3.0"
    cells = [SubmittedCell("code", f"cell {number}") for number in range(4)]
    notebook, _ = restore(cells, [T2])
    execution = Execution(sandbox, [T2])
    execution.run(notebook)
    # 5 s of a cell last 15; of the 9 s of all cells, each takes 4
    assert sandbox.student.ran == ["cell 0", "cell 1", "cell 2"]
    assert sandbox.student.seconds[:2] == [15, 15]
    assert sandbox.student.seconds[2] == pytest.approx(3)
    assert execution.outcome.reason == "timeout"


def test_machine_with_time_to_spare_gives_no_more() -> None:
    sandbox = PlayedSandbox(fine, fine)
    sandbox.student.late = True
    run(sandbox, [T2])
    assert sandbox.student.seconds == [5]


def test_checks_have_more_time_on_a_machine_that_was_slow_from_the_start() -> None:
    def slow_to_load(code: str) -> Reply:
        return Reply("ok", seconds=4.0)

    sandbox = PlayedSandbox(fine, slow_to_load)
    sandbox.checker.pace = "2.5"
    run(sandbox, [T2])
    assert 2.5 * sandbox.limits.check_seconds in sandbox.checker.seconds
    assert sandbox.student.seconds == [2.5 * 5]


@pytest.mark.parametrize("claimed", ["NaN", "Infinity", '"fast"', "-1", "1e9"])
def test_pace_that_is_none_is_our_failure(claimed: str) -> None:
    sandbox = PlayedSandbox(fine, fine)
    sandbox.student.late, sandbox.checker.pace = True, claimed
    with pytest.raises(CheckNotMadeError):
        run(sandbox, [T2])


def test_directive_names_variables_and_files() -> None:
    assert parse_inputs("x\n# from-student: a, file:web/Dockerfile\n#from-student: b") == Inputs(
        ("a", "b"), ("web/Dockerfile",)
    )


@pytest.mark.parametrize("item", ["file:/etc/passwd", "file:../x", "a.b", "a b", "x=1"])
def test_directive_may_not_name_anything_else(item: str) -> None:
    with pytest.raises(CheckNotMadeError):
        parse_inputs(f"# from-student: {item}")


def test_outputs_hold_text_and_pictures_only() -> None:
    data = {
        "text/html": "<script>",
        "text/plain": "x",
        "image/png": "aGk=",
        "image/jpeg": "<svg>",
        "application/javascript": "1",
    }
    (shown,) = notebook_outputs(
        [{"output_type": "display_data", "data": data, "metadata": {"x": 1}}]
    )
    assert dict(shown.data) == {"text/plain": "x", "image/png": "aGk="}
    assert dict(shown.metadata) == {}


@pytest.mark.parametrize(
    "odd",
    [
        {},
        {"output_type": "stream", "name": "stdin", "text": "x"},
        {"output_type": "stream", "name": "stdout", "text": 1},
        {"output_type": "display_data", "data": "x"},
        {"output_type": "display_data", "data": {"text/plain": ["x"]}},
        {"output_type": "update_display_data", "data": {"text/plain": "x"}},
    ],
)
def test_odd_outputs_are_dropped(odd: dict[str, Any]) -> None:
    assert notebook_outputs([odd]) == []


def test_streams_are_joined_and_outputs_counted() -> None:
    text = [{"output_type": "stream", "name": "stdout", "text": "x"}] * 1000
    (joined,) = notebook_outputs(text)
    assert joined.text == "x" * 1000
    pictures = [{"output_type": "display_data", "data": {"text/plain": "x"}}] * 1000
    assert len(notebook_outputs(pictures)) == 500


def test_value_drawn_at_grading_time_is_not_told() -> None:
    said = "port 4711 is silent\nExpected: an answer\nTry: curl localhost:4711"
    execution, _ = run(PlayedSandbox(fine, failing("CheckFailed", said)), [T2])
    assert (
        execution.outcome.checks["t2"].message
        == "port … is silent\nExpected: an answer\nTry: curl localhost:…"
    )
