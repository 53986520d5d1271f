"""A cell of an exercise as it was released, and what it is for."""

import ast
import re
from dataclasses import dataclass
from typing import Any

DIRECTIVE = re.compile(r"^#\s*from-student:\s*(.+)$", re.MULTILINE)


@dataclass(frozen=True)
class ReleasedCell:
    """A cell as in the gradebook: ``source`` with hidden tests, ``points`` only if it is graded."""

    grade_id: str
    cell_type: str
    source: str
    locked: bool
    graded: bool
    solution: bool
    task: bool
    points: float
    checksum: str | None

    @property
    def is_test(self) -> bool:
        """Graded by running it."""
        return self.graded and self.locked and not self.solution and self.cell_type == "code"

    @property
    def is_manual(self) -> bool:
        """Graded by a person."""
        return self.task or (self.graded and not self.is_test)

    @property
    def is_setup(self) -> bool:
        """Code that both kernels need."""
        return self.locked and not self.graded and self.cell_type == "code"

    @property
    def title(self) -> str:
        """The name that a student sees."""
        return title_of(self.source, self.grade_id) if self.is_test else self.grade_id

    def metadata(self) -> dict[str, Any]:
        """The cell's ``metadata.nbgrader``."""
        fields: dict[str, Any] = {
            "grade_id": self.grade_id,
            "grade": self.graded,
            "solution": self.solution,
            "locked": self.locked,
            "task": self.task,
            "schema_version": 3,
            "cell_type": self.cell_type,
            "checksum": self.checksum,
        }
        return {**fields, "points": self.points} if self.graded or self.task else fields


def items_from_student(source: str) -> list[str]:
    """What the comments of a test cell take from the student, as they spell it.

    >>> items_from_student("# from-student: answer, file:web/Dockerfile")
    ['answer', 'file:web/Dockerfile']
    """
    items = (item.strip() for line in DIRECTIVE.findall(source) for item in line.split(","))
    return [item for item in items if item]


def may_be_taken(item: str) -> bool:
    """Whether it is a variable, or a file in the student's folder."""
    if not item.startswith("file:"):
        return item.isidentifier()
    path = item.removeprefix("file:").strip()
    return bool(path) and not path.startswith("/") and ".." not in path.split("/")


def title_of(source: str, grade_id: str) -> str:
    """The first line of a test cell's docstring, else its id."""
    try:
        docstring = ast.get_docstring(ast.parse(source))
    except (SyntaxError, ValueError):
        docstring = None
    return docstring.splitlines()[0].strip() if docstring else grade_id
