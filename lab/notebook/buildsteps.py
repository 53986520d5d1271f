"""A build as a diagram: what the client sent, which instruction became which step, and the image.

The facts come from the build's own progress, as BuildKit reports it (`--progress=rawjson`): a step
is a vertex, what was transferred is a status of the vertex that asked for it.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

from lab.notebook.engine import short_image
from lab.notebook.errors import LessonError
from lab.notebook.mermaid import Diagram, escape
from lab.notebook.sizes import human_size

# Instructions that change files, and those that only note something in the image: no step.
_STEPS = {"FROM", "RUN", "COPY", "ADD", "WORKDIR"}
_NOTES = {
    *("ARG", "CMD", "ENTRYPOINT", "ENV", "EXPOSE", "HEALTHCHECK", "LABEL", "MAINTAINER"),
    *("ONBUILD", "SHELL", "STOPSIGNAL", "USER", "VOLUME"),
}
_DEFINITION = "[internal] load build definition"
_CONTEXT = "[internal] load build context"
_STEP_NAME = re.compile(r"\[(?:(?P<stage>[^\]]*) )?(?P<number>\d+)/(?P<count>\d+)\] ")
_SHOWN = 44  # characters of an instruction
_STYLES = (
    "    classDef sent fill:#ffffff,stroke:#767676,color:#000",
    "    classDef executed fill:#cfe8fa,stroke:#0072b2,stroke-width:3px,color:#000",
    "    classDef cached fill:#eeeeee,stroke:#767676,stroke-dasharray:5 4,color:#000",
    "    classDef failed fill:#fdebc8,stroke:#d55e00,stroke-width:3px,color:#000",
    "    classDef note fill:none,stroke:none",
    "    classDef place fill:none,stroke:#888888",
)


@dataclass
class _Vertex:
    """What the progress says of one piece of work, in the end."""

    name: str = ""
    inputs: tuple[str, ...] = ()
    started: bool = False
    cached: bool = False
    failed: bool = False
    transferred: int = 0  # bytes


@dataclass
class _Progress:
    """The vertices of a build by their digests, and the image that it made."""

    vertices: dict[str, _Vertex] = field(default_factory=dict)
    image: str = ""


@dataclass(frozen=True)
class _Line:
    """An instruction of the Dockerfile, and the vertex that it became (None: it only notes)."""

    text: str
    place: str = ""  # "2/4"
    vertex: _Vertex | None = None

    @property
    def fate(self) -> str:
        """`executed`, `cached`, `failed`, `not executed`; `base` of FROM, `note` without a step."""
        if not self.place:
            return "note"
        if self.text.upper().startswith("FROM "):
            return "base"
        if self.vertex is None:
            return "not executed"
        if self.vertex.failed:
            return "failed"
        if self.vertex.cached:
            return "cached"
        return "executed" if self.vertex.started else "not executed"


def build_diagram(progress: str, dockerfile: str) -> Diagram:
    """Draw a build from the file with its progress and from its Dockerfile.

    The progress is what `docker build --progress=rawjson … 2> FILE` wrote. Raises LessonError if a
    file is not there, or has no progress in it.

    >>> build_diagram("build.json", "Dockerfile")
    client -> server: Dockerfile, 134B
    client -> server: build context, 1.53kB
    FROM node:alpine   step 1/3, the base
    LABEL lesson=06    no step, a note in the image
    COPY . .           step 2/3, executed, from the build context
    RUN npm install    step 3/3, executed
    image you/welcome
    """
    found = _read(progress)
    lines = list(_lines(_text(dockerfile, "The Dockerfile's path comes second."), found))
    return Diagram(_mermaid(found, lines), _as_text(found, lines))


def _text(path: str, hint: str) -> str:
    try:
        return Path(path).read_text()
    except OSError as error:
        raise LessonError(f"{path} cannot be read: {error.strerror}.\nTry: {hint}") from None


def _read(path: str) -> _Progress:
    option = "docker build --progress=rawjson … 2> FILE writes it."
    found = _Progress()
    for message in _messages(_text(path, option)):
        for told in message.get("vertexes") or ():
            vertex = found.vertices.setdefault(told["digest"], _Vertex())
            vertex.name = told.get("name") or vertex.name
            vertex.inputs = tuple(told.get("inputs") or vertex.inputs)
            vertex.started |= "started" in told
            vertex.cached |= bool(told.get("cached"))
            vertex.failed |= bool(told.get("error"))
        for told in message.get("statuses") or ():
            vertex = found.vertices.setdefault(told["vertex"], _Vertex())
            if told["id"].startswith("transferring "):
                vertex.transferred = max(vertex.transferred, told.get("current", 0))
            if told["id"].startswith(("naming to ", "writing image ")):
                # the name, if it has one, comes after the id
                found.image = short_image(told["id"].split()[-1])
    if not found.vertices:
        raise LessonError(f"{path} has no progress of a build in it.\nTry: {option}")
    return found


def _messages(text: str) -> Iterator[dict[str, Any]]:
    """The JSON objects in `text`; between them a failed build writes lines for people."""
    decoder, position = json.JSONDecoder(), 0
    while (position := text.find("{", position)) >= 0:
        try:
            message, position = decoder.raw_decode(text, position)
        except ValueError:
            position = (text.find("\n", position) + 1) or len(text)
        else:
            yield message


def _lines(dockerfile: str, found: _Progress) -> Iterator[_Line]:
    """The instructions in the Dockerfile's order, each with its vertex."""
    steps, counts = {}, {}
    for vertex in found.vertices.values():
        if name := _STEP_NAME.match(vertex.name):
            # of "linux/amd64 builder" the stage is the last word; a single stage may have no name
            stage = (name["stage"] or "stage-0").split()[-1]
            steps[stage, int(name["number"])] = vertex
            counts[stage] = int(name["count"])
    number, stages, stage = 0, 0, "stage-0"
    for text in _instructions(dockerfile):
        keyword, *rest = text.split()
        if keyword.upper() == "FROM":
            named = [alias for word, alias in pairwise(rest) if word.upper() == "AS"]
            stage, number = (named or [f"stage-{stages}"])[0].lower(), 0
            stages += 1
        if keyword.upper() in _STEPS:
            number += 1
            place = f"{number}/{counts[stage]}" if stage in counts else "?"
            yield _Line(text, place, steps.get((stage, number)))
        else:
            yield _Line(text)


def _instructions(dockerfile: str) -> Iterator[str]:
    """Each instruction in one line; what is none (a here-document's lines) is left out."""
    code = "\n".join(line for line in dockerfile.splitlines() if not line.lstrip().startswith("#"))
    for line in code.replace("\\\n", " ").splitlines():
        text = " ".join(line.split())
        if text.partition(" ")[0].upper() in _STEPS | _NOTES:
            yield text if len(text) <= _SHOWN else text[: _SHOWN - 1] + "…"


def _sent(found: _Progress) -> Iterator[tuple[str, str, int]]:
    """What the client sent: its vertex, what it is, and its size in bytes."""
    for digest, vertex in found.vertices.items():
        if vertex.name.startswith(_DEFINITION):
            yield digest, "Dockerfile", vertex.transferred
        elif vertex.name.startswith(_CONTEXT):
            yield digest, "build context", vertex.transferred


def _said(line: _Line, found: _Progress) -> str:
    if line.fate == "note":
        return "no step, a note in the image"
    fate = {"base": "the base"}.get(line.fate, line.fate)
    used = line.vertex.inputs if line.vertex else ()
    source = any(
        vertex.name.startswith(_CONTEXT)
        for digest, vertex in found.vertices.items()
        if digest in used
    )
    return f"step {line.place}, {fate}{', from the build context' if source else ''}"


def _as_text(found: _Progress, lines: list[_Line]) -> str:
    width = max((len(line.text) for line in lines), default=0)
    sent = [f"client -> server: {what}, {human_size(size)}" for _, what, size in _sent(found)]
    steps = [f"{line.text:{width}}  {_said(line, found)}" for line in lines]
    return "\n".join([*sent, *steps, f"image {found.image}" if found.image else "no image"])


def _mermaid(found: _Progress, lines: list[_Line]) -> str:
    """What was sent and what became of it, down to the image; notes go straight into the image."""
    steps = [line for line in lines if line.vertex]
    keys = {digest: f"sent{number}" for number, (digest, _, _) in enumerate(_sent(found))}
    keys |= {
        digest: f"step{number}"
        for number, line in enumerate(steps)
        for digest, vertex in found.vertices.items()
        if vertex is line.vertex
    }
    source = ["flowchart TD", *_STYLES, '    subgraph client["the client sends"]']
    source += [
        f'        {keys[digest]}[/"{what}<br/>{human_size(size)}"/]:::sent'
        for digest, what, size in _sent(found)
    ]
    source += ["    end", '    subgraph server["BuildKit, in the server"]']
    source += [
        f"        {_node(f'step{number}', line, found)}" for number, line in enumerate(steps)
    ]
    source += ["    end", "    class client,server place"]
    source += [
        f"    {keys[digest]} -.-> step0"
        for digest, what, _ in _sent(found)
        if what == "Dockerfile" and steps
    ]
    source += [
        f"    {keys[digest]} --> step{number}"
        for number, line in enumerate(steps)
        for digest in (line.vertex.inputs if line.vertex else ())
        if digest in keys
    ]
    if found.image and steps:
        source.append(f'    step{len(steps) - 1} --> image[["image {escape(found.image)}"]]:::sent')
        notes = "<br/>".join(escape(line.text) for line in lines if line.fate == "note")
        if notes:
            source.append(
                f'    notes["no step, notes in the image:<br/>{notes}"]:::note -.-> image'
            )
    return "\n".join(source)


def _node(key: str, line: _Line, found: _Progress) -> str:
    style = {"base": "sent", "not executed": "sent"}.get(line.fate, line.fate)
    return f'{key}["<b>{escape(line.text)}</b><br/>{_said(line, found)}"]:::{style}'
