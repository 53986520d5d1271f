"""What a student wrote can be shown, whatever it is."""

import json
import time
from typing import Any

import pytest
from nbconvert.exporters import HTMLExporter

from grader.judging.repair import MAX_SOURCE_CHARS, MalformedError, read, restore

PICTURE = {"image/png": "iVBORw0KGgo="}


def html(*cells: dict[str, Any]) -> str:
    whole = [{"cell_type": "markdown", "metadata": {}, **one} for one in cells]
    notebook, _ = restore(read(json.dumps({"nbformat": 4, "cells": whole}).encode()), [])
    return str(HTMLExporter(template_name="basic").from_notebook_node(notebook)[0])


def test_picture_that_was_pasted_into_an_answer_is_shown() -> None:
    assert "data:image/png;base64,iVBORw0KGgo=" in html(
        {"source": "![x](attachment:x.png)", "attachments": {"x.png": PICTURE}}
    )


@pytest.mark.parametrize(
    "source",
    [
        "![x](attachment:gone.png)",
        "![x][r]\n\n[r]: attachment:gone.png",
        r"![x](attachment\:gone.png)",
    ],
)
def test_picture_that_is_not_there_stops_nobody(source: str) -> None:
    assert "gone.png" in html({"source": source})


@pytest.mark.parametrize(
    "attachments",
    [
        "text",
        {"x": 1},
        {"x": {"image/svg+xml": "<svg onload=x>"}},
        {"x": {"image/png": "' onerror='x"}},
    ],
)
def test_attachment_that_is_no_picture_is_left_behind(attachments: object) -> None:
    page = html({"source": "![x](attachment:x)", "attachments": attachments})
    assert "onload" not in page
    assert "onerror" not in page


@pytest.mark.parametrize("cells", [1, 1_000])
def test_text_made_to_take_for_ever_is_shown_at_once(cells: int) -> None:
    start = time.process_time()
    each = 400_000 // cells
    page = html(*({"source": "\\begin{a}" * (each // 9)} for _ in range(cells)))
    assert "\\begin{a}" in page
    assert time.process_time() - start < 30


def test_more_source_than_anybody_writes_is_refused() -> None:
    cell = {"cell_type": "code", "metadata": {}, "source": "x" * (MAX_SOURCE_CHARS + 1)}
    with pytest.raises(MalformedError, match="outputs not counted"):
        read(json.dumps({"nbformat": 4, "cells": [cell]}).encode())
