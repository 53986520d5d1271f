"""A submitted notebook, put back to what was released: the released cells in their order, the
student's own cells where they stood.

Nothing of the submission decides about a cell but its type, its source and the id that it claims.
What a cell is for, what a locked one says and what it is worth comes from the gradebook.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from nbformat import NotebookNode, from_dict
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_raw_cell

from grader.exercise.cells import ReleasedCell
from grader.exercise.lint import as_released
from grader.judging.markdown import MAX_RENDERED_CHARS, Attachments, keep_pictures, make_showable

MAX_CELLS = 10_000
MAX_SOURCE_CHARS = 2_000_000  # of all cells; outputs do not count
MAX_TEXT_CHARS = 100_000  # of all text cells together, that are rendered
NEW_CELL = {"code": new_code_cell, "markdown": new_markdown_cell, "raw": new_raw_cell}


class MalformedError(Exception):
    """Why a submission cannot be read, as a sentence; ``notes`` on what was read before that."""

    def __init__(self, why: str, notes: Sequence[str] = ()) -> None:
        super().__init__(why)
        self.notes = tuple(notes)


@dataclass(frozen=True)
class SubmittedCell:
    """What is read of a submitted cell; ``claims`` is the ``grade_id`` in its metadata, if any."""

    cell_type: str
    source: str
    claims: str | None = None
    attachments: Attachments = field(default_factory=dict)


def read(content: bytes) -> list[SubmittedCell]:
    """The cells of a notebook file. Raises MalformedError unless it is one; outputs, tags and all
    other metadata are left behind.

    Text that cannot be shown, or only after long work, is a block of code.
    """
    if not content.strip():
        raise MalformedError("The file is empty.")
    try:
        notebook = json.loads(content)
    except RecursionError as error:
        raise MalformedError("The file is nested too deeply to be a notebook.") from error
    except ValueError as error:
        raise MalformedError(
            f"The file is not a notebook, or a part of one: it is not JSON ({error})."
        ) from error
    if not isinstance(notebook, dict) or not isinstance(notebook.get("cells"), list):
        raise MalformedError("The file is JSON but not a notebook: it has no list of cells.")
    if notebook.get("nbformat") != 4:
        raise MalformedError(
            "The notebook is not in format 4: open it in JupyterLab, save it and hand it in again."
        )
    if len(notebook["cells"]) > MAX_CELLS:
        raise MalformedError(f"The notebook has more than {MAX_CELLS} cells.")
    cells = [_read_cell(cell, number) for number, cell in enumerate(notebook["cells"], 1)]
    if sum(len(cell.source) for cell in cells) > MAX_SOURCE_CHARS:
        raise MalformedError(
            f"The cells of the notebook have more than {MAX_SOURCE_CHARS:,} characters, outputs not"
            " counted."
        )
    return _showable(cells)


def _showable(cells: list[SubmittedCell]) -> list[SubmittedCell]:
    room = MAX_TEXT_CHARS
    for index, cell in enumerate(cells):
        if cell.cell_type == "markdown":
            source = make_showable(cell.source, cell.attachments, min(room, MAX_RENDERED_CHARS))
            cells[index] = SubmittedCell(cell.cell_type, source, cell.claims, cell.attachments)
            room -= len(cell.source)
    return cells


def _read_cell(cell: Any, number: int) -> SubmittedCell:
    if not isinstance(cell, dict) or cell.get("cell_type") not in NEW_CELL:
        raise MalformedError(f"Cell {number} is not a cell of a notebook.")
    source = cell.get("source", "")
    if isinstance(source, list) and all(isinstance(line, str) for line in source):
        source = "".join(source)
    if not isinstance(source, str):
        raise MalformedError(f"The source of cell {number} is not text.")
    nbgrader = (
        metadata.get("nbgrader") if isinstance(metadata := cell.get("metadata"), dict) else None
    )
    claim = nbgrader.get("grade_id") if isinstance(nbgrader, dict) else None
    readable = source.encode(
        "utf-8", "replace"
    ).decode()  # a lone surrogate could not be written again
    attached = keep_pictures(cell.get("attachments")) if cell["cell_type"] == "markdown" else {}
    return SubmittedCell(
        cell["cell_type"], readable, claim if isinstance(claim, str) else None, attached
    )


def restore(
    submitted: Sequence[SubmittedCell], released: Sequence[ReleasedCell]
) -> tuple[NotebookNode, list[str]]:
    """The notebook to grade, and a sentence for each repair.

    Of several cells that claim one id the last is taken, as nbgrader does; the others stay as plain
    cells of the student.
    """
    originals = {cell.grade_id: cell for cell in released}
    chosen, notes = _choose(submitted, originals)
    # a released cell, followed by the student's own up to the next one
    groups: dict[str | None, list[NotebookNode]] = {None: []}
    current: str | None = None
    for index, cell in enumerate(submitted):
        if index in chosen:
            current = chosen[index]
            groups[current] = [_released_cell(originals[current], cell, notes)]
        else:
            groups[current].append(_new_cell(cell.cell_type, cell.source, cell.attachments))
    if list(groups)[1:] != [grade_id for grade_id in originals if grade_id in groups]:
        notes.append("Cells had been moved: they are in the released order again.")
    cells = groups[None]
    for grade_id, original in originals.items():
        if grade_id not in groups:
            notes.append(f"Cell {grade_id} was missing: it was put back as released.")
        cells += groups.get(grade_id) or [_released_cell(original, None, notes)]
    return _notebook(cells), notes


def _choose(
    submitted: Sequence[SubmittedCell], originals: dict[str, ReleasedCell]
) -> tuple[dict[int, str], list[str]]:
    """Which submitted cell (by index) stands for which released one."""
    last: dict[str, int] = {}
    notes: list[str] = []
    for index, cell in enumerate(submitted):
        if cell.claims is None:
            continue
        if cell.claims not in originals:
            notes.append(
                f"A cell claimed the id {cell.claims[:80]!r}, which was never released: it is a"
                " plain cell now."
            )
            continue
        if cell.claims in last:
            notes.append(f"Cell {cell.claims} was there more than once: the last one counts.")
        last[cell.claims] = index
    return {index: grade_id for grade_id, index in last.items()}, notes


def _released_cell(
    released: ReleasedCell, submitted: SubmittedCell | None, notes: list[str]
) -> NotebookNode:
    if submitted is not None and _edited(released, submitted):
        notes.append(f"Cell {released.grade_id} had been edited: it says what was released again.")
    keep = submitted is not None and not released.locked
    if submitted is not None and submitted.cell_type != released.cell_type:
        notes.append(
            f"Cell {released.grade_id} had become a {submitted.cell_type} cell: it is a"
            f" {released.cell_type} cell again."
        )
    own = submitted if keep else None
    attached = own.attachments if own and released.cell_type == "markdown" else {}
    cell = _new_cell(released.cell_type, own.source if own else released.source, attached)
    cell.metadata["nbgrader"] = from_dict(released.metadata())  # type: ignore[no-untyped-call]
    return cell


def _new_cell(cell_type: str, source: str, attachments: Attachments) -> NotebookNode:
    cell: NotebookNode = NEW_CELL[cell_type](source)  # type: ignore[no-untyped-call]
    if attachments:
        cell["attachments"] = attachments
    return cell


def _notebook(cells: list[NotebookNode]) -> NotebookNode:
    for number, cell in enumerate(cells):
        cell["id"] = f"cell-{number}"
    kernel = {"name": "python3", "display_name": "Python 3 (ipykernel)", "language": "python"}
    notebook: NotebookNode = new_notebook(  # type: ignore[no-untyped-call]
        cells=cells, metadata={"kernelspec": kernel, "language_info": {"name": "python"}}
    )
    return notebook


def _edited(released: ReleasedCell, submitted: SubmittedCell) -> bool:
    same_type = released.cell_type == submitted.cell_type  # another type is told by itself
    return (
        released.locked
        and same_type
        and _lines(as_released(released.source)) != _lines(as_released(submitted.source))
    )


def _lines(source: str) -> list[str]:
    """Without what no eye sees."""
    return [line.rstrip() for line in source.strip().splitlines()]
