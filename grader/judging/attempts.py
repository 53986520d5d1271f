"""Several attempts at one notebook, so that each failure costs the one who caused it.

What could not be set up or checked is tried again in a fresh sandbox. If it fails there, too, the
same cells are run without any of the student's. If they succeed, the student's work is the cause,
and the last attempt tells what fails as theirs and grades the rest; if they fail, it is our side.
"""

from collections.abc import Callable
from contextlib import AbstractContextManager
from copy import copy
from dataclasses import replace

from grader.judging.deadline import Deadline
from grader.judging.inputs import CheckNotMadeError
from grader.judging.work import Executed, Work, execute
from grader.sandbox.interface import Sandbox, SandboxError

ATTEMPTS = 3  # a sandbox that fails is made anew twice
Sandboxes = Callable[[], AbstractContextManager[Sandbox]]


def execute_fairly(work: Work, sandboxes: Sandboxes, deadline: Deadline) -> Executed:
    """Run one notebook. Raises SandboxError when our side has failed for good."""
    at_fault = False
    for attempt in range(1, ATTEMPTS + 1):
        try:
            with sandboxes() as sandbox:
                executed = execute(work, sandbox, deadline, at_fault=at_fault)
            if attempt > 1 and not at_fault and not deadline.left:
                raise SandboxError("No time was left for another attempt")
            return executed
        except SandboxError as error:
            if attempt == ATTEMPTS or not deadline.left:
                raise SandboxError(f"{error} (tried {attempt} times)") from error
            if attempt == ATTEMPTS - 1 and isinstance(error, CheckNotMadeError):
                at_fault = _succeeds_without_them(work, error.grade_id, sandboxes, deadline)
    raise AssertionError("unreachable")


def _succeeds_without_them(
    work: Work, failed: str | None, sandboxes: Sandboxes, deadline: Deadline
) -> bool:
    """Whether the setup cells up to the one that failed, and the test that failed, can be run."""
    wanted = []
    for cell in work.cells:
        if cell.is_setup or cell.grade_id == failed:
            wanted.append(cell.grade_id)
        if cell.grade_id == failed:
            break
    cells = [
        cell
        for cell in work.notebook.cells
        if cell.metadata.get("nbgrader", {}).get("grade_id") in wanted
    ]
    notebook = copy(work.notebook)
    notebook.cells = cells
    try:
        with sandboxes() as sandbox:
            execute(replace(work, notebook=notebook, files=work.released_files), sandbox, deadline)
    except SandboxError:
        return False
    return deadline.left > 0
