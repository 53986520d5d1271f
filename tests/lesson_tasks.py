"""The cells that readers write: filled with their solutions, and tried with wrong answers.

Inside a lab, ``python -m tests.lesson_tasks course/NN-name.ipynb`` runs a lesson in its folder and
prints as JSON what each task's check said.
"""

import asyncio
import json
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from lab import lessontexts
from lab.course import ROOT
from lab.lessontexts import Task, your_turns

CHOICES = ".predictions.json"

Cells = list[dict[str, Any]]


@dataclass(frozen=True)
class Tried:
    """What a task's check said: before any answer, after each wrong one, after the solution."""

    key: str
    before: str
    wrong: list[str]
    solved: str


def texts_of(stem: str) -> dict[str, Task]:
    """The tasks of the lesson with this name, by key."""
    return lessontexts.read(ROOT / "course" / lessontexts.FOLDER / f"{stem}.toml").tasks


def solved(notebook: dict[str, Any], stem: str) -> dict[str, Any]:
    """The lesson's notebook as one has it who solves each task."""
    for number, _, task in your_turns(notebook["cells"], texts_of(stem)):
        notebook["cells"][number]["source"] = task.solution
    return notebook


def put_solved(name: str, workspace: Path) -> None:
    """Write a lesson into a workspace, its tasks solved, and the texts beside it. Nobody has chosen
    an answer there.
    """
    course = ROOT / "course"
    notebook = solved(json.loads((course / name).read_text()), Path(name).stem)
    (workspace / "course" / name).write_text(json.dumps(notebook))
    beside = f"{lessontexts.FOLDER}/{Path(name).stem}.toml"
    (workspace / "course" / lessontexts.FOLDER).mkdir(parents=True, exist_ok=True)
    (workspace / "course" / beside).write_bytes((course / beside).read_bytes())
    (workspace / CHOICES).unlink(missing_ok=True)


def run(path: Path) -> list[Tried]:
    """Run a lesson from its first cell to its last task, each task with all its answers."""
    # only inside a lab
    import nbformat
    from nbclient import NotebookClient

    notebook = nbformat.read(path, as_version=4)  # type: ignore[no-untyped-call]
    found = {
        number: (following, task)
        for number, following, task in your_turns(notebook.cells, texts_of(path.stem))
    }
    client = NotebookClient(
        notebook, timeout=180, resources={"metadata": {"path": str(path.parent)}}
    )

    async def execute(text: str, *, may_fail: bool = False) -> str:
        cell = nbformat.v4.new_code_cell(text)  # type: ignore[no-untyped-call]
        client.allow_errors = may_fail
        notebook.cells.append(cell)
        await client.async_execute_cell(cell, len(notebook.cells) - 1)
        notebook.cells.pop()
        return "\n".join(
            "".join(output.get("data", {}).get("text/plain", "")) for output in cell.outputs
        )

    async def attempt(task: Task, answer: str, *, may_fail: bool) -> str:
        if task.undo:
            await execute(f"%%shell\n{task.undo}")
        await execute(answer, may_fail=may_fail)
        return await execute(f'check("{task.key}")')

    async def all_cells() -> list[Tried]:
        tried = []
        async with client.async_setup_kernel():
            for number, cell in enumerate(list(notebook.cells)):
                if number > max(found, default=-1):
                    break
                if number in found:
                    task = found[number][1]
                    before = await execute(f'check("{task.key}")')
                    wrong = [await attempt(task, each.answer, may_fail=True) for each in task.wrong]
                    right = await attempt(task, task.solution, may_fail=False)
                    tried.append(Tried(task.key, before, wrong, right))
                elif cell.cell_type == "code":
                    await execute(cell.source)
        return tried

    return asyncio.run(all_cells())


if __name__ == "__main__":
    print(json.dumps([asdict(each) for each in run(Path(sys.argv[1]))]))
