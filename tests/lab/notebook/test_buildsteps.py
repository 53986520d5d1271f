"""A build's diagram: from the progress that BuildKit reports, and from the Dockerfile."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from lab.notebook.buildsteps import build_diagram
from lab.notebook.errors import LessonError
from lab.notebook.mermaid import Diagram

DOCKERFILE = """\
# syntax is not an instruction
FROM node:alpine
LABEL lesson=06
WORKDIR /app
COPY . \\
     .
RUN npm install
CMD ["node", "server.js"]
"""


def vertex(digest: str, name: str, *inputs: str, **facts: Any) -> dict[str, Any]:
    return {"digest": digest, "name": name, "inputs": list(inputs), "started": "now", **facts}


def transferred(digest: str, what: str, size: int) -> dict[str, Any]:
    return {"id": f"transferring {what}:", "vertex": digest, "current": size}


READ = [
    {"vertexes": [vertex("d", "[internal] load build definition from Dockerfile")]},
    {"statuses": [transferred("d", "dockerfile", 30), transferred("d", "dockerfile", 134)]},
    {"vertexes": [vertex("i", "[internal] load .dockerignore")]},
    {"statuses": [transferred("i", "context", 2)]},
]
STEPS = [
    vertex("1", "[1/4] FROM docker.io/library/node:alpine", cached=True),
    vertex("2", "[2/4] WORKDIR /app", "1", cached=True),
    vertex("c", "[internal] load build context"),
    vertex("3", "[3/4] COPY . .", "2", "c"),
    vertex("4", "[4/4] RUN npm install", "3"),
]
EXPORTED = [
    {"statuses": [{"id": "writing image sha256:0123456789abcdef", "vertex": "e"}]},
    {"statuses": [{"id": "naming to docker.io/you/welcome:2.0", "vertex": "e"}]},
]


@pytest.fixture
def draw(tmp_path: Path) -> Any:
    def drawn(messages: list[Any], dockerfile: str = DOCKERFILE, after: str = "") -> Diagram:
        # as BuildKit writes it: one object after the other, each over several lines
        text = "\n".join(json.dumps(each, indent=2) for each in messages)
        (tmp_path / "build.json").write_text(f"{text}\n{after}")
        (tmp_path / "Dockerfile").write_text(dockerfile)
        return build_diagram(str(tmp_path / "build.json"), str(tmp_path / "Dockerfile"))

    return drawn


def test_the_text_says_what_was_sent_and_what_each_instruction_became(draw: Any) -> None:
    sent = [{"statuses": [transferred("c", "context", 1532)]}]
    assert str(draw([*READ, {"vertexes": STEPS}, *sent, *EXPORTED])).splitlines() == [
        "client -> server: Dockerfile, 134B",
        "client -> server: build context, 1.53kB",
        "FROM node:alpine           step 1/4, the base",
        "LABEL lesson=06            no step, a note in the image",
        "WORKDIR /app               step 2/4, cached",
        "COPY . .                   step 3/4, executed, from the build context",
        "RUN npm install            step 4/4, executed",
        'CMD ["node", "server.js"]  no step, a note in the image',
        "image you/welcome:2.0",
    ]


def test_a_build_without_a_name_shows_the_image_s_id(draw: Any) -> None:
    assert str(draw([*READ, {"vertexes": STEPS}, EXPORTED[0]])).endswith("\nimage 0123456789ab")


def test_the_picture_tells_cached_from_executed_by_words_and_lines(draw: Any) -> None:
    source = draw([*READ, {"vertexes": STEPS}, *EXPORTED]).source
    styles = dict(re.findall(r"classDef (\w+) (.*)", source))
    assert '<b>WORKDIR /app</b><br/>step 2/4, cached"]:::cached' in source
    assert '<b>RUN npm install</b><br/>step 4/4, executed"]:::executed' in source
    assert "stroke-dasharray" in styles["cached"]
    assert "stroke-dasharray" not in styles["executed"]


def test_arrows_follow_what_a_step_uses(draw: Any) -> None:
    source = draw([*READ, {"vertexes": STEPS}, *EXPORTED]).source
    arrows = set(re.findall(r"^ +(\w+) --> (\w+)", source, re.MULTILINE))
    assert arrows == {
        ("step0", "step1"),
        ("step1", "step2"),
        ("sent1", "step2"),
        ("step2", "step3"),
        ("step3", "image"),
    }
    assert "sent0 -.-> step0" in source, "the Dockerfile says the steps"


def test_a_failed_build_shows_where_and_has_no_image(draw: Any) -> None:
    waiting = {"digest": "4", "name": "[4/4] RUN npm install", "inputs": ["3"]}
    failed = {**STEPS[3], "error": "not found"}
    after = "Dockerfile:4\n----\n   4 | >>> COPY {a,b} .\n----\nERROR: failed to solve"
    drawn = draw([*READ, {"vertexes": [*STEPS[:3], waiting]}, {"vertexes": [failed]}], after=after)
    assert str(drawn).splitlines()[5:] == [
        "COPY . .                   step 3/4, failed, from the build context",
        "RUN npm install            step 4/4, not executed",
        'CMD ["node", "server.js"]  no step, a note in the image',
        "no image",
    ]
    assert ":::failed" in drawn.source


def test_stages_are_told_apart(draw: Any) -> None:
    dockerfile = (
        "FROM busybox AS Made\nRUN <<END\necho a > /a\nEND\nFROM busybox\nCOPY --from=made /a /\n"
    )
    steps = [
        vertex("1", "[made 1/2] FROM docker.io/library/busybox:latest"),
        vertex("2", "[made 2/2] RUN <<END (echo a > /a)", "1"),
        vertex("3", "[stage-1 2/2] COPY --from=made /a /", "1", "2"),
    ]
    drawn = draw([{"vertexes": steps}], dockerfile)
    assert str(drawn).splitlines() == [
        "FROM busybox AS Made   step 1/2, the base",
        "RUN <<END              step 2/2, executed",
        "FROM busybox           step 1/2, the base",
        "COPY --from=made /a /  step 2/2, executed",
        "no image",
    ]
    assert {"step0 --> step2", "step1 --> step2"} <= {
        line.strip() for line in drawn.source.splitlines()
    }


def test_a_file_without_progress_is_said_plainly(tmp_path: Path, draw: Any) -> None:
    with pytest.raises(LessonError, match="has no progress of a build in it"):
        draw([], after="#1 [internal] load build definition from Dockerfile\n#1 {DONE\n")
    with pytest.raises(LessonError, match="cannot be read: No such file"):
        build_diagram(str(tmp_path / "none.json"), "Dockerfile")
