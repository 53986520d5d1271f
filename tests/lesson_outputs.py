"""Run lessons in the lab of this checkout, and store their outputs in their notebooks:

    bin/lab up --no-browser && .venv/bin/python -m tests.lesson_outputs 02 04

Tasks are solved for the run, and not in the notebook. Read the difference before you commit it:
what you see there is what a reader sees.
"""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import nbformat

from .conftest import ROOT
from .lesson_tasks import solved

OF_A_KERNEL = "application/vnd.jupyter.widget-view+json"  # nothing can show it afterwards


def joined(outputs: list[Any]) -> list[Any]:
    """What was printed at one go stands in one piece, in however many it arrived."""
    whole: list[Any] = []
    for output in outputs:
        if output["output_type"] == "stream" and whole and whole[-1].get("name") == output["name"]:
            whole[-1]["text"] += output["text"]
        else:
            whole.append(output)
    return whole


def store(lesson: Path) -> None:
    """Run one lesson as it stands in the checkout; cells are told apart by their ids."""
    notebook = nbformat.read(lesson, as_version=4)  # type: ignore[no-untyped-call]
    execute = "jupyter nbconvert --to notebook --execute --stdin --stdout --log-level ERROR"
    done = subprocess.run(
        [ROOT / "bin" / "lab", "sh", "sh", "-c", f"cd course && {execute}"],
        input=json.dumps(solved(json.loads(lesson.read_text()), lesson.stem)).encode(),
        stdout=subprocess.PIPE,
        check=True,
    )
    ran = nbformat.reads(done.stdout.decode(), as_version=4)  # type: ignore[no-untyped-call]
    by_id = {cell.id: cell for cell in ran.cells}
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs = joined(by_id[cell.id].outputs)
            cell.execution_count = by_id[cell.id].execution_count
            for output in cell.outputs:
                output.get("data", {}).pop(OF_A_KERNEL, None)
    nbformat.write(notebook, lesson)  # type: ignore[no-untyped-call]


if __name__ == "__main__":
    for number in sys.argv[1:]:
        for path in (ROOT / "course").glob(f"{number}-*.ipynb"):
            store(path)
