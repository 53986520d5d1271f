"""Names of images, as Dockerfiles write them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path

from docker.utils import parse_repository_tag

# what a sandbox was made with, as its engine's container says; nowhere else is one
TEMPLATE_IMAGES = Path("/sockets/checker/images.json")
MAX_CHARS = 1000  # ARGs that double each other would grow without end


def same_image(one: str, other: str) -> bool:
    """Whether two references name the same image; a digest matters only if both have one.

    >>> same_image("docker.io/library/nginx", "nginx:latest")
    True
    >>> same_image("nginx", "nginx:alpine")
    False
    """
    (name, tag, digest), (other_name, other_tag, other_digest) = _parts(one), _parts(other)
    if digest and other_digest:
        return (name, digest) == (other_name, other_digest)
    return (name, tag) == (other_name, other_tag)


def genuine_id(ref: str) -> str | None:
    """The id of a course image by its name, where there is a sandbox's template that says so."""
    return next((known for name, known in _template_images() if same_image(name, ref)), None)


def in_grading() -> bool:
    """Whether this is a sandbox, whose engine holds all that is judged."""
    return TEMPLATE_IMAGES.exists()


def expand(text: str, values: Mapping[str, str]) -> str:
    """The text with `$NAME`, `${NAME}`, `${NAME:-default}` and `${NAME:+other}` replaced; unset
    names are empty.

    >>> expand("node:${TAG:-alpine}", {})
    'node:alpine'
    >>> expand("$IMAGE:$TAG", {"IMAGE": "node", "TAG": "22"})
    'node:22'
    """
    done = ""
    while "$" in text and len(done) <= MAX_CHARS:
        head, _, rest = text.partition("$")
        done += head
        if rest.startswith("{") and "}" in rest:
            inside, _, text = rest[1:].partition("}")
            done += _substitute(inside, values)
        else:
            end = next(
                (i for i, char in enumerate(rest) if not (char.isalnum() or char == "_")), len(rest)
            )
            done += values.get(rest[:end], "") if end else "$"
            text = rest[end:]
    return (done + text)[:MAX_CHARS]


@cache
def _template_images() -> list[tuple[str, str]]:
    if not TEMPLATE_IMAGES.exists():
        return []
    repositories = json.loads(TEMPLATE_IMAGES.read_text())["Repositories"].values()
    return [
        (name, known) for names in repositories for name, known in names.items() if "@" not in name
    ]


def _substitute(inside: str, values: Mapping[str, str]) -> str:
    name, operator, word = inside.partition(":")
    value = values.get(name, "")
    if operator and word.startswith("-"):
        return value or word[1:]
    if operator and word.startswith("+"):
        return word[1:] if value else ""
    return value


def _parts(ref: str) -> tuple[str, str, str]:
    name, _, digest = ref.strip().partition("@")
    repository, tag = parse_repository_tag(name)
    for prefix in ("index.docker.io/", "docker.io/", "library/"):
        repository = repository.removeprefix(prefix)
    return repository, tag or "latest", digest
