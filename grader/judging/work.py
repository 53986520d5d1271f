"""One notebook to run in a sandbox, and what running it gave: values that travel as JSON."""

import base64
from collections.abc import Mapping
from copy import deepcopy
from dataclasses import asdict, dataclass, field
from typing import Any

from nbformat import NotebookNode, from_dict

from grader.exercise.cells import ReleasedCell
from grader.judging.deadline import Deadline
from grader.judging.execution import Execution
from grader.judging.results import Outcome
from grader.sandbox.interface import Sandbox, SandboxLimits


@dataclass(frozen=True)
class Work:
    """A repaired notebook with all that running and judging it needs."""

    notebook: NotebookNode
    cells: tuple[ReleasedCell, ...]
    files: Mapping[str, bytes]
    limits: SandboxLimits
    nodes: int = 0  # of the sandbox's cluster; 0: no cluster
    released_files: Mapping[str, bytes] = field(default_factory=dict)  # none of the student's

    def to_json(self) -> dict[str, Any]:
        """The same as values that JSON has."""
        return {
            "notebook": self.notebook,
            "cells": [asdict(cell) for cell in self.cells],
            "files": _texts(self.files),
            "released_files": _texts(self.released_files),
            "limits": asdict(self.limits),
            "nodes": self.nodes,
        }

    @classmethod
    def from_json(cls, fields: Mapping[str, Any]) -> "Work":
        """What ``to_json`` gave."""
        return cls(
            _notebook(fields["notebook"]),
            tuple(ReleasedCell(**cell) for cell in fields["cells"]),
            _contents(fields["files"]),
            SandboxLimits(**fields["limits"]),
            fields["nodes"],
            _contents(fields["released_files"]),
        )


@dataclass(frozen=True)
class Executed:
    """The notebook with its outputs, and the verdicts on it."""

    notebook: NotebookNode
    outcome: Outcome

    def to_json(self) -> dict[str, Any]:
        """The same as values that JSON has."""
        return {"notebook": self.notebook, "outcome": asdict(self.outcome)}

    @classmethod
    def from_json(cls, fields: Mapping[str, Any]) -> "Executed":
        """What ``to_json`` gave."""
        return cls(_notebook(fields["notebook"]), Outcome.from_json(fields["outcome"]))


def execute(
    work: Work, sandbox: Sandbox, deadline: Deadline | None = None, *, at_fault: bool = False
) -> Executed:
    """Run the notebook. Raises SandboxError where the environment, not the student, is at fault."""
    sandbox.bring(work.files)
    notebook = deepcopy(work.notebook)
    execution = Execution(sandbox, work.cells, deadline, at_fault=at_fault)
    return Executed(notebook, execution.run(notebook))


def _texts(files: Mapping[str, bytes]) -> dict[str, str]:
    return {path: base64.b64encode(content).decode() for path, content in files.items()}


def _contents(texts: Mapping[str, str]) -> dict[str, bytes]:
    return {path: base64.b64decode(content) for path, content in texts.items()}


def _notebook(fields: Any) -> NotebookNode:
    notebook: NotebookNode = from_dict(fields)  # type: ignore[no-untyped-call]
    return notebook
