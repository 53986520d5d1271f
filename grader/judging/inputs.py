"""What a test cell takes from the student, and how it gets there: as JSON, read strictly."""

import ast
import json
from collections.abc import Mapping
from dataclasses import dataclass

from grader.exercise.cells import items_from_student, may_be_taken
from grader.sandbox.interface import SandboxError

MAX_TYPE_CHARS = 60
MAX_VALUE_CHARS = 64_000  # one value handed from the student's kernel to the checker's, as JSON


class CheckNotMadeError(SandboxError):
    """A check could not be made, and nothing says that the submission is at fault.

    ``grade_id``: the test or setup cell.
    """

    grade_id: str | None = None

    @property
    def line(self) -> str:
        """What happened, on one line."""
        return " ".join(str(self).split())[:300]


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
    items = items_from_student(source)
    files = tuple(item.removeprefix("file:").strip() for item in items if item.startswith("file:"))
    names = tuple(item for item in items if not item.startswith("file:"))
    wrong = [item for item in items if not may_be_taken(item)]
    if wrong:
        raise CheckNotMadeError(
            f"A test cell wants {wrong[0].removeprefix('file:')!r} from the student: neither a"
            " variable nor a file of their folder"
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


def stand_ins(kinds: Mapping[str, str]) -> str:
    r"""Code that gives each variable what stands for a value of that type which cannot cross.

    >>> stand_ins({"total": "bytes"})
    "total = __import__('grader.checks.values', fromlist=['x']).NotPlain('bytes')\n"
    """
    return "".join(
        f"{name} = __import__('grader.checks.values', fromlist=['x']).NotPlain({kind!r})\n"
        for name, kind in kinds.items()
    )


def is_undefined(claim: object) -> bool:
    """Whether a kernel says that there is no such variable."""
    return isinstance(claim, dict) and claim.get("ename") == "NameError"


def json_expression(name: str) -> str:
    """Code that, evaluated in a kernel, gives the JSON text of a variable."""
    return f"__import__('json').dumps({name})"


def type_expression(name: str) -> str:
    """Code that, evaluated in a kernel, gives the name of a variable's type."""
    return f"{name}.__class__.__name__"


def type_of(result: object) -> str:
    """The type that a kernel claims for ``type_expression``; a word that means nothing for all
    else.
    """
    data = result.get("data") if isinstance(result, dict) else None
    name = data.get("text/plain") if isinstance(data, dict) else None
    plain = name.strip("'\"") if isinstance(name, str) else ""
    return plain if plain.isidentifier() and len(plain) <= MAX_TYPE_CHARS else "object"


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
