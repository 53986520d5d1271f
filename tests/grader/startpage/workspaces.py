"""Made-up workspaces: a few lessons and exercises, some of their cells run."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from lab.course import RECORD

Section = tuple[str, Sequence[bool]]
"""A heading, and whether each code cell below it was run."""


def lesson(number: int, title: str = "A lesson") -> str:
    """The first cell of a lesson."""
    return f"# {number:02} · {title}\n\n**What is {number}?**\n\n**Time:** {number} minutes."


def exercise(number: int, after: str) -> str:
    """The first cell of an exercise; ``after`` such as "lesson 04"."""
    return (
        f"# Exercise {number:02} · Try\n\n**After {after} · 8 points · 20 minutes**\n\nYou try\nit."
    )


def write(workspace: Path, path: str, first: str, *sections: Section) -> Path:
    """Write a notebook of the course; returns its file."""
    cells: list[dict[str, Any]] = [_markdown(first)]
    for heading, runs in sections:
        cells += [_markdown(f"## {heading}\n\nText.")] if heading else []
        cells += [
            {
                "cell_type": "code",
                "source": ["echo ", str(number)],
                "execution_count": number if ran else None,
                "outputs": [],
                "metadata": {},
            }
            for number, ran in enumerate(runs, 1)
        ]
    content = {"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}
    target = workspace / path
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(json.dumps(content))
    record(workspace, path)
    return target


def record(workspace: Path, *paths: str) -> None:
    """As ``bin/lab up`` records what it brought."""
    file = workspace / RECORD
    known = json.loads(file.read_text()) if file.exists() else {}
    file.write_text(json.dumps(known | dict.fromkeys(paths, "0" * 64)))


def _markdown(source: str) -> dict[str, Any]:
    return {"cell_type": "markdown", "source": source, "metadata": {}}
