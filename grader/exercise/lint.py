"""Problems of an exercise as its author wrote it."""

import ast
import json
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from grader.exercise.cluster import nodes_wanted
from grader.exercise.lint_setups import setup_problems
from grader.exercise.lint_tests import test_problems

Cell = dict[str, Any]

# nbgrader's markers: what the region is called, and the key of the cells that may hold it
REGIONS = {
    "SOLUTION": ("solution", "a solution cell"),
    "HIDDEN TESTS": ("grade", "a test cell"),
    "MARK SCHEME": ("task", "a task cell"),
}
MARKER = re.compile(r"\b(BEGIN|END) (SOLUTION|HIDDEN TESTS|MARK SCHEME)\b")
NEARLY_A_MARKER = re.compile(
    r"^\W*(BEGIN|END)[\s_-]*(SOLUTIONS?|HIDDEN|MARK(ING)?[\s_-]+SCHEME)", re.IGNORECASE
)


def problems(notebook: Path) -> list[str]:
    """Every problem of one source notebook, each as a sentence that names the cell."""
    try:
        content = json.loads(notebook.read_text(encoding="utf-8"))
        cells: list[Cell] = [dict(cell) for cell in content["cells"]]
    except (ValueError, KeyError, TypeError) as error:
        return [f"{notebook.name} is not a notebook: {error}."]
    structure = _structure_problem({**content, "cells": cells})
    if structure:
        return [f"{notebook.name} is not a valid notebook: {structure}"]
    sentences = [
        f"{notebook.name}, {_label(cell, number)} {text}"
        for number, cell in enumerate(cells, 1)
        for text in _cell_problems(cell)
    ]
    tests = [source_text(cell) for cell in cells if _is_test(cell)]
    sentences += [
        f"{notebook.name}, {_label(cell, number)} {text}"
        for number, cell in enumerate(cells, 1)
        if _is_setup(cell)
        for text in setup_problems(source_text(cell), tests)
    ]
    sentences += [f"{notebook.name} {text}" for text in _notebook_problems(cells)]
    return sentences + [
        f"{notebook.name} {text}"
        for text in _course_problems(content.get("metadata", {}).get("course", {}))
    ]


def source_text(cell: Cell) -> str:
    """The cell's source as one string (the format allows a list of lines too)."""
    source = cell.get("source", "")
    return source if isinstance(source, str) else "".join(source)


def hidden_regions(cells: list[Cell]) -> list[list[str]]:
    """The lines between BEGIN and END HIDDEN TESTS, one list for each region."""
    regions: list[list[str]] = []
    for cell in cells:
        inside = False
        for line in source_text(cell).split("\n"):
            if "BEGIN HIDDEN TESTS" in line:
                inside = True
                regions.append([])
            elif "END HIDDEN TESTS" in line:
                inside = False
            elif inside:
                regions[-1].append(line)
    return regions


def as_released(source: str) -> str:
    r"""The source of a locked cell as students get it: without its hidden regions.

    >>> as_released("check()\n### BEGIN HIDDEN TESTS\nmore()\n### END HIDDEN TESTS")
    'check()'
    """
    shown, inside = [], False
    for line in source.split("\n"):
        marker = MARKER.search(line)
        if marker:
            inside = marker.group(1) == "BEGIN"
        elif not inside:
            shown.append(line)
    return "\n".join(shown)


def sample_answers(notebook: Path) -> dict[str, str]:
    """The author's own answers in words to what a person grades, in Markdown, by grade_id."""
    samples = {}
    for cell in json.loads(notebook.read_text(encoding="utf-8"))["cells"]:
        meta = cell["metadata"].get("nbgrader", {})
        if cell["cell_type"] == "markdown" and meta.get("grade") and meta.get("solution"):
            lines = source_text(cell).split("\n")
            samples[meta["grade_id"]] = "\n".join(line for line in lines if not MARKER.search(line))
    return samples


def visible_lines(cells: list[Cell]) -> set[str]:
    """All lines, stripped, that the author wrote outside hidden regions."""
    counts = Counter(line.strip() for cell in cells for line in source_text(cell).split("\n"))
    counts.subtract(line.strip() for region in hidden_regions(cells) for line in region)
    return {line for line, times in counts.items() if times > 0}


def _structure_problem(content: dict[str, Any]) -> str | None:
    # here, so that the command line starts without it
    from nbformat.validator import iter_validate

    # a missing id is reported for each cell, more clearly
    with_ids = [{"id": "missing", **cell} for cell in content["cells"]]
    complete = {**content, "cells": with_ids} if content.get("nbformat_minor", 0) >= 5 else content
    error = next(iter_validate(complete), None)  # type: ignore[no-untyped-call]
    return f"{error.message} (at {'/'.join(map(str, error.path))})." if error else None


def _course_problems(course: object) -> Iterator[str]:
    try:
        nodes_wanted(course)
    except ValueError as error:
        yield str(error)


def _cell_problems(cell: Cell) -> Iterator[str]:
    if not cell.get("id"):
        yield (
            "has no cell id (notebook format 4.5 gives each cell one: open and save it in"
            " JupyterLab)."
        )
    if cell.get("outputs") or cell.get("execution_count") is not None:
        yield "has outputs or an execution count: clear all outputs, then save."
    if "nbgrader" in cell["metadata"]:
        yield from _metadata_problems(cell)
    yield from _marker_problems(cell)
    meta = cell["metadata"].get("nbgrader", {})
    if cell["cell_type"] == "code" and meta.get("grade") and not meta.get("solution"):
        yield from _test_problems(cell)


def _metadata_problems(cell: Cell) -> Iterator[str]:
    import nbformat
    from jsonschema import ValidationError
    from nbgrader.nbgraderformat import MetadataValidator, SchemaTooNewError, SchemaTooOldError  # type: ignore[import-untyped]

    meta = cell["metadata"]["nbgrader"]
    if meta.get("grade") and not meta.get("points"):
        yield "is graded but has no points: give it some in the Create Assignment panel."
        return
    try:
        MetadataValidator().validate_cell(nbformat.from_dict(cell))  # type: ignore[no-untyped-call]
    except ValidationError as error:
        yield f"has invalid nbgrader metadata: {error.message}."
    except (SchemaTooOldError, SchemaTooNewError) as error:
        yield f"has nbgrader metadata of another version: {error}. Run `nbgrader update` on it."


def _test_problems(cell: Cell) -> Iterator[str]:
    """A test that Python cannot parse would fail every answer, even the right ones."""
    from IPython.core.inputtransformer2 import TransformerManager

    meta, source = cell["metadata"]["nbgrader"], source_text(cell)
    if not meta.get("locked"):
        yield "is a test that is not locked, so students could change it: lock it."
    try:
        tree = ast.parse(TransformerManager().transform_cell(source))  # type: ignore[no-untyped-call]
    except SyntaxError as error:
        yield f"is a test that Python cannot parse: {error.msg} (line {error.lineno})."
        return
    yield from test_problems(source, tree, meta.get("points") or 0)


def _marker_problems(cell: Cell) -> Iterator[str]:
    opened: str | None = None
    for line in source_text(cell).split("\n"):
        marker = MARKER.search(line)
        if marker is None:
            if NEARLY_A_MARKER.search(line):
                yield (
                    f"has a line that is almost a marker, and would be released: {line.strip()!r}."
                )
            continue
        edge, region = marker.groups()
        key, owner = REGIONS[region]
        if edge == "END" and opened != region:
            yield f"has END {region} without BEGIN {region} before it."
        elif edge == "BEGIN" and opened:
            yield f"has BEGIN {region} inside a {opened} region that has not ended."
        elif edge == "BEGIN" and not cell["metadata"].get("nbgrader", {}).get(key):
            yield f"has BEGIN {region} but is not {owner}."
        opened = region if edge == "BEGIN" else None
    if opened:
        yield f"has BEGIN {opened} without END {opened}."


def _is_test(cell: Cell) -> bool:
    meta = cell["metadata"].get("nbgrader", {})
    return bool(cell["cell_type"] == "code" and meta.get("grade") and not meta.get("solution"))


def _is_setup(cell: Cell) -> bool:
    meta = cell["metadata"].get("nbgrader", {})
    return bool(cell["cell_type"] == "code" and meta.get("locked") and not meta.get("grade"))


def _notebook_problems(cells: list[Cell]) -> Iterator[str]:
    ids = Counter(cell["id"] for cell in cells if cell.get("id"))
    grade_ids = Counter(_grade_id(cell) for cell in cells if _grade_id(cell))
    yield from (
        f"has {times} cells with the id {name!r}." for name, times in ids.items() if times > 1
    )
    yield from (
        f"has {times} cells with the grade_id {name!r}: each needs its own."
        for name, times in grade_ids.items()
        if times > 1
    )


def _grade_id(cell: Cell) -> str | None:
    return cell["metadata"].get("nbgrader", {}).get("grade_id") or None


def _label(cell: Cell, number: int) -> str:
    name = _grade_id(cell)
    return f"cell {number} (grade_id {name!r})" if name else f"cell {number}"
