"""What was found when something was examined, and what to do about it."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Literal


@dataclass(frozen=True)
class Finding:
    """One thing examined: ok, note (works, with a caveat) or bad (the course cannot run)."""

    name: str
    state: Literal["ok", "note", "bad"]
    found: str
    todo: str = ""

    def as_json(self) -> dict[str, str]:
        """The finding as an element of ``doctor --json``."""
        return asdict(self)


def course_images(stand_ins: Iterable[str], real: Iterable[str]) -> Finding:
    """Which of the course images are stand-ins, and which are Docker Hub's."""
    made, pulled = sorted(stand_ins), sorted(real)
    from_hub = f"{', '.join(pulled)} (from Docker Hub)" if pulled else ""
    if not made:
        return Finding("course images", "ok", from_hub or "none")
    return Finding(
        "course images",
        "note",
        "; ".join(filter(None, [f"stand-ins: {', '.join(made)}", from_hub])),
        "nothing: the lessons and exercises work with them; `apk add` and the like do not",
    )
