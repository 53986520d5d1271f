"""What a test cell takes from the student, and how it gets there: as JSON, read strictly."""

import ast
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass

from grader.sandbox.interface import SandboxError

DIRECTIVE = re.compile(r"^#\s*from-student:\s*(.+)$", re.MULTILINE)
MAX_VALUE_CHARS = 64_000  # one value handed from the student's kernel to the checker's, as JSON


class CheckNotMadeError(SandboxError):
    """A check could not be made, through no fault of the submission."""


@dataclass(frozen=True)
class Inputs:
    """What a test cell takes from the student."""

    names: tuple[str, ...] = ()
    files: tuple[str, ...] = ()


def parse_inputs(source: str) -> Inputs:
    """What the directives of a test cell name. Raises CheckNotMadeError for what no cell may take.

    >>> parse_inputs("# from-student: answer, file:web/Dockerfile")
    Inputs(names=('answer',), files=('web/Dockerfile',))
    """
    items = [
        item.strip()
        for line in DIRECTIVE.findall(source)
        for item in line.split(",")
        if item.strip()
    ]
    files = tuple(item.removeprefix("file:").strip() for item in items if item.startswith("file:"))
    names = tuple(item for item in items if not item.startswith("file:"))
    wrong = [name for name in names if not name.isidentifier()] + [
        path for path in files if path.startswith("/") or ".." in path.split("/")
    ]
    if wrong:
        raise CheckNotMadeError(
            f"A test cell wants {wrong[0]!r} from the student: neither a variable nor a file of"
            " their folder"
        )
    return Inputs(names, files)


def assignments(values: Mapping[str, str]) -> str:
    r"""Code that gives each variable its value, of which the JSON text is at hand.

    >>> assignments({"total": "3"})
    "total = __import__('json').loads('3')\n"
    """
    return "".join(
        f"{name} = __import__('json').loads({text!r})\n" for name, text in values.items()
    )


def json_expression(name: str) -> str:
    """Code that, evaluated in a kernel, gives the JSON text of a variable."""
    return f"__import__('json').dumps({name})"


def value_of(result: object) -> str:
    """The JSON text that a kernel claims for ``json_expression``; ValueError (with a reason for the
    student) for all else.

    The answer is the ``repr`` of a string: read by ``literal_eval``, which executes nothing, then
    parsed as strict JSON.
    """
    if not isinstance(result, dict) or result.get("status") != "ok":
        name = result.get("ename") if isinstance(result, dict) else None
        raise ValueError(
            "is not defined" if name == "NameError" else "is not a value that JSON can hold"
        )
    data = result.get("data")
    representation = data.get("text/plain") if isinstance(data, dict) else None
    if not isinstance(representation, str) or len(representation) > MAX_VALUE_CHARS:
        raise ValueError("is too long")
    try:
        text = ast.literal_eval(representation)
        value = json.loads(text, parse_constant=_refuse_constant)
        return json.dumps(value)
    except (ValueError, TypeError, SyntaxError, RecursionError, MemoryError) as error:
        raise ValueError("is not a value that JSON can hold") from error


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")
