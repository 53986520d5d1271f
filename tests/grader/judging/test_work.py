"""Work and what executing it gave can be sent as JSON: nothing is lost on the way."""

import json

from grader.exercise.cells import ReleasedCell
from grader.judging.outputs import error_output, notebook_outputs
from grader.judging.repair import SubmittedCell, restore
from grader.judging.results import Check, Outcome
from grader.judging.work import Executed, Work, execute
from grader.sandbox.interface import SandboxLimits

from .test_execution import PlayedSandbox, failing, fine

CELL = ReleasedCell(
    grade_id="q1-test",
    cell_type="code",
    source='"""It works"""\ncheck()',
    locked=True,
    graded=True,
    solution=False,
    task=False,
    points=2.0,
    checksum="0",
)
NOTEBOOK, _ = restore([SubmittedCell("code", "print('ä')")], [CELL])


def test_work_comes_back_as_it_was() -> None:
    files = {"Dockerfile": b"FROM busybox\n", "photo": bytes(range(256))}
    work = Work(NOTEBOOK, (CELL,), files, SandboxLimits(cell_seconds=8.5), nodes=3)
    back = Work.from_json(json.loads(json.dumps(work.to_json())))
    assert back == work
    assert back.notebook.cells[0].metadata == work.notebook.cells[0].metadata


def test_work_is_as_it_was_when_it_has_been_executed() -> None:
    work = Work(NOTEBOOK, (CELL,), {"Dockerfile": b"FROM busybox\n"}, SandboxLimits())
    before = json.dumps(work.to_json())
    sandbox = PlayedSandbox(fine, failing("CheckFailed", "a\nb\nc"))
    executed = execute(work, sandbox)
    assert sandbox.brought == work.files
    assert executed.outcome.checks["q1-test"].message == "a\nb\nc"
    assert executed.notebook.cells[-1].outputs[0].ename == "CheckFailed"
    assert json.dumps(work.to_json()) == before


def test_executed_comes_back_as_it_was() -> None:
    check = Check("It works", 0.5, 2, "failed", "Only a part.")
    outcome = Outcome({"q1-test": check}, "timeout", ["a note"], ["for the instructor"])
    notebook, _ = restore([SubmittedCell("code", "1")], [CELL])
    notebook.cells[0].outputs = [
        *notebook_outputs([{"output_type": "stream", "name": "stdout", "text": "x"}]),
        error_output("CheckFailed", "a\nb\nc"),
    ]
    executed = Executed(notebook, outcome)
    back = Executed.from_json(json.loads(json.dumps(executed.to_json())))
    assert back == executed
    assert back.notebook.cells[0].outputs[1].ename == "CheckFailed"
