"""The students' edition of the course: what ``bin/lab release --edition`` packs.

It is a checkout without ``solutions/``, ``tests/`` and the gradebook.
"""

from lab.course import ROOT
from lab.errors import LabError


def require_checkout(command: str) -> None:
    """Raise LabError if this is the students' edition, in which ``command`` has nothing to do."""
    if not (ROOT / "solutions").is_dir():
        raise LabError(
            f"This is the students' edition of the course, and `{command}` needs what it does not"
            " have: solutions, tests, the gradebook.",
            "run it in the instructor's checkout of the course. Here, `bin/lab up` opens the"
            " course, and `bin/lab submit ASSIGNMENT` makes the file to hand in.",
        )
