"""Reading a request strictly, so that the engine can see nothing in it but what was judged.

Go matches the names of JSON fields without regard to case and takes the last of two; Python does
neither. What the two could read differently is refused, and what is allowed is written anew.
"""

import json
import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl, urlencode

# Of JSON: the kernel takes an argument of 128 KiB, and JSON may need twice the room for it. What a
# container is made from is what the engine and the checker read again in every list of containers.
MAX_BODY_BYTES = 256_000
MAX_LABEL_CHARS = 16_000  # all names and values together
MAX_DEPTH = 20
# Names of containers, images, networks and volumes need no more.
PATH = re.compile(r"/[A-Za-z0-9_.:@/-]*")
VERSION = re.compile(r"^/v1\.(2[4-9]|3\d|4\d)(?=/)")


class Forbidden(Exception):  # noqa: N818  (HTTP's word)
    """A request that is not handed on; the text is for the student. ``status`` is HTTP's."""

    def __init__(self, message: str, status: int = 403) -> None:
        super().__init__(message)
        self.status = status


def malformed(what: str) -> Forbidden:
    return Forbidden(f"In grading, {what}.", 400)


def too_large() -> Forbidden:
    return malformed(
        f"a request may have at most {MAX_BODY_BYTES // 1000} kB of JSON: shorten labels,"
        " environment and command, or put what is long into a file"
    )


def require_short_labels(labels: object) -> None:
    """Forbidden for labels that nobody could read."""
    texts = (
        (str(text) for label in labels.items() for text in label)
        if isinstance(labels, dict)
        else ()
    )
    if sum(map(len, texts)) > MAX_LABEL_CHARS:
        raise malformed(
            f"all labels together may have {MAX_LABEL_CHARS:,} characters: shorten them"
        )


def parse_json(body: bytes) -> dict[str, Any]:
    """A JSON object. Forbidden for what is none, or could be read in two ways."""
    if len(body) > MAX_BODY_BYTES:
        raise too_large()
    try:
        value = json.loads(
            body.decode() or "{}", object_pairs_hook=_object, parse_constant=_constant
        )
    except (ValueError, RecursionError) as error:
        raise malformed(f"a request's body has to be JSON ({error})") from error
    if not isinstance(value, dict):
        raise malformed("a request's body has to be a JSON object")
    _require_shallow(value, MAX_DEPTH)
    return value


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len({name.casefold() for name, _ in pairs}) != len(pairs):
        raise ValueError("a field occurs twice")
    return dict(pairs)


def _constant(name: str) -> None:
    raise ValueError(f"{name} is no number")


def _require_shallow(value: object, left: int) -> None:
    if left == 0:
        raise malformed("a request's JSON may not be nested this deep")
    for inner in (
        value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    ):
        _require_shallow(inner, left - 1)


def is_zero(value: object) -> bool:
    """Whether Go, given this, would be left with a field's zero value: nothing is asked for."""
    return value is None or value in (False, 0, "", [], {})


def names(text: str) -> frozenset[str]:
    """The fields that a text names, separated by blanks."""
    return frozenset(text.split())


def allow_only(fields: Mapping[str, Any], free: frozenset[str], where: str) -> None:
    """Forbidden unless each field is one of ``free`` or asks for nothing."""
    known = {name.casefold(): name for name in free}
    for name, value in fields.items():
        canonical = known.get(name.casefold())
        if canonical is not None and canonical != name:
            raise malformed(f"the field {name!r} of {where} is spelled {canonical}")
        if canonical is None and not is_zero(value):
            raise Forbidden(f"{name} is not available in grading ({where}).")


def parse_target(target: str) -> tuple[str, list[tuple[str, str]]]:
    """Path without API version, and query; Forbidden for what servers read in different ways."""
    path, _, query = target.partition("?")
    bare = VERSION.sub("", path)
    segments = bare.split("/")[1:]
    if (
        not PATH.fullmatch(path)
        or "" in segments
        or {".", ".."} & set(segments)
        or bare.startswith("/v1.")
    ):
        raise malformed(f"no request can go to {path[:100]!r}")
    if ";" in query or "#" in query or not query.isascii() or not query.isprintable():
        raise malformed("a query is written with & and without fragments")
    try:
        return bare, parse_qsl(
            query, keep_blank_values=True, strict_parsing=bool(query), max_num_fields=200
        )
    except ValueError as error:
        raise malformed(f"a query has to be well-formed ({error})") from error


def build_target(target: str, query: list[tuple[str, str]]) -> str:
    """The target as it goes to the engine."""
    path = target.partition("?")[0]
    return f"{path}?{urlencode(query)}" if query else path
