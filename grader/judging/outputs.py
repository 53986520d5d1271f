"""Outputs of cells: what a student's kernel claims to have shown, and what a verdict looks like."""

import json
from collections.abc import Sequence
from typing import Any

from nbformat import NotebookNode
from nbformat.v4 import new_output

from grader.judging.markdown import BASE64, IMAGES
from grader.judging.results import Check

ESCAPE_CHARS = 100  # what a page makes of a change of colour
MAX_OUTPUTS = 500  # of one cell
MAX_OUTPUT_CHARS = 3_000_000  # of all cells of a notebook: ten that print as much as one may


def verdict_outputs(check: Check) -> list[NotebookNode]:
    """Outputs from which nbgrader reads the points: none (all), a number, an error (0)."""
    if check.status == "passed":
        return []
    printed = [_output("stream", name="stdout", text=check.message + "\n")] if check.points else []
    if check.points:
        return [
            *printed,
            _output(
                "execute_result", data={"text/plain": repr(check.points)}, execution_count=None
            ),
        ]
    return [
        error_output("NotChecked" if check.status == "skipped" else "CheckFailed", check.message)
    ]


def fitting(outputs: Sequence[NotebookNode], room: int) -> tuple[list[NotebookNode], int]:
    """The outputs that fit into so many characters, and the room that is left then.

    Nothing fits any more once something did not.
    """
    kept: list[NotebookNode] = []
    for output in outputs:
        text = json.dumps(output)
        room -= len(text) + ESCAPE_CHARS * text.count("\\u001b")
        if room < 0:
            return kept, 0
        kept.append(output)
    return kept, room


class OutputRoom:
    """What the cells of one notebook may still show, all together."""

    def __init__(self) -> None:
        self._left = MAX_OUTPUT_CHARS

    def fit(self, outputs: list[NotebookNode]) -> tuple[list[NotebookNode], list[str]]:
        """The outputs that there is room for, and a note where the first one is left out."""
        kept, left = fitting(outputs, self._left)
        notes = []
        if len(kept) < len(outputs):
            if self._left:
                notes.append(
                    f"All cells together show more than {MAX_OUTPUT_CHARS:,} characters: what came"
                    " after that was left out of this page. It costs nothing."
                )
            kept.append(error_output("LeftOut", "The rest of the output was left out."))
        self._left = left
        return kept, notes


def notebook_outputs(raw: Sequence[dict[str, Any]]) -> list[NotebookNode]:
    """What a student's kernel claims to have shown: text and pictures only."""
    outputs: list[NotebookNode] = []
    for claim in raw:
        output = _clean(claim)
        if output is None:
            continue
        last = outputs[-1] if outputs else None
        if (
            last is not None
            and output.output_type == "stream"
            and last.output_type == "stream"
            and last.name == output.name
        ):
            last.text += output.text
        elif len(outputs) < MAX_OUTPUTS:
            outputs.append(output)
    return outputs


def _clean(claim: dict[str, Any]) -> NotebookNode | None:
    kind = claim.get("output_type")
    if (
        kind == "stream"
        and claim.get("name") in ("stdout", "stderr")
        and isinstance(claim.get("text"), str)
    ):
        return _output("stream", name=claim["name"], text=claim["text"])
    if kind == "error":
        lines = [line for line in claim.get("traceback") or [] if isinstance(line, str)]
        return error_output(
            str(claim.get("ename"))[:200], str(claim.get("evalue"))[:4000], lines[:200]
        )
    if kind in ("display_data", "execute_result") and isinstance(claim.get("data"), dict):
        data = {
            mime: text
            for mime, text in claim["data"].items()
            if isinstance(text, str)
            and (mime == "text/plain" or (mime in IMAGES and BASE64.fullmatch(text)))
        }
        return _output("display_data", data=data) if data else None
    return None


def error_output(name: str, value: str, traceback: Sequence[str] | None = None) -> NotebookNode:
    return _output(
        "error", ename=name, evalue=value, traceback=list(traceback or value.splitlines())
    )


def _output(kind: str, **fields: Any) -> NotebookNode:
    output: NotebookNode = new_output(kind, **fields)  # type: ignore[no-untyped-call]
    return output
