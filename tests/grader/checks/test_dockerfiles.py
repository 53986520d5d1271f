"""What checks say of Dockerfiles, and of a Dockerfile that Docker could not read."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from grader import CheckFailed, EnvironmentProblem, dockerfile
from grader.checks import Dockerfile, hadolint

needs_hadolint = pytest.mark.engine  # it is installed in the lab's image alone

NODE = """# syntax=docker/dockerfile:1
ARG TAG=alpine
FROM node:${TAG} AS build
WORKDIR /app
COPY package.json ./
RUN npm install \\
    --omit=dev
COPY . .
RUN <<EOF
npm run build
EOF

from docker.io/library/nginx:latest
COPY --from=build /app/build /usr/share/nginx/html/
ONBUILD RUN ls
EXPOSE 80
CMD ["nginx", "-g", "daemon off;"]
"""


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def written(text: str) -> Dockerfile:
    Path("Dockerfile").write_text(text)
    return dockerfile()


def failure(check: Callable[..., object], *args: object, **options: object) -> CheckFailed:
    with pytest.raises(CheckFailed) as raised:
        check(*args, **options)
    assert len(str(raised.value).splitlines()) == 3
    return raised.value


def test_instructions_stages_and_bases() -> None:
    found = written(NODE)
    assert [each.keyword for each in found.instructions] == (
        [
            "ARG",
            "FROM",
            "WORKDIR",
            "COPY",
            "RUN",
            "COPY",
            "RUN",
            "FROM",
            "COPY",
            "ONBUILD",
            "EXPOSE",
            "CMD",
        ]
    )
    assert [(stage.base, stage.name) for stage in found.stages] == [
        ("node:alpine", "build"),
        ("docker.io/library/nginx:latest", None),
    ]
    assert found.base_images == ["node:alpine", "docker.io/library/nginx:latest"]
    assert found.instructions[4].line == 6
    assert found.instructions[6].heredocs == ("npm run build\n",)


def test_final_stage_is_what_it_starts_from() -> None:
    written(NODE).must_start_from("nginx")
    assert (
        failure(written(NODE).must_start_from, "node:alpine").found
        == "`Dockerfile` starts from `docker.io/library/nginx:latest`."
    )


def test_stage_on_a_stage_is_followed_down() -> None:
    found = written("FROM node:alpine AS base\nFROM base AS Dev\nFROM dev\n")
    found.must_start_from("node:alpine")
    assert found.base_images == ["node:alpine"]


@pytest.mark.parametrize(
    ("line", "ref"),
    [
        ("node", "node:latest"),
        ("node@sha256:abc", "node"),
        ("localhost:5000/a", "localhost:5000/a:latest"),
    ],
)
def test_spellings_of_one_image(line: str, ref: str) -> None:
    written(f"FROM {line}\n").must_start_from(ref)


@pytest.mark.parametrize(
    ("args", "ref"),
    [
        ("ARG T=22\nFROM node:$T", "node:22"),
        ("ARG T\nFROM node:${T:-22}", "node:22"),
        ("ARG A=node B=1\nFROM $A:$B", "node:1"),
        ("ARG A=1\nARG B=$A.2\nFROM node:${B}", "node:1.2"),
        ('ARG A="node"\nFROM ${A:+redis}', "redis"),
        ("FROM node:${A", "node:${A"),
    ],
)
def test_args_in_from_are_resolved(args: str, ref: str) -> None:
    assert written(args + "\n").base_image == ref


def test_instruction_is_found_by_its_words() -> None:
    found = written(NODE)
    for like in (
        "CMD",
        "RUN npm install",
        "RUN npm run build",
        "COPY package.json",
        "COPY ./package.json .",
        "COPY .",
        "COPY --from=build /app/build",
        "EXPOSE 80",
        "expose 80",
        'CMD ["nginx"]',
    ):
        found.must_have(like)
    for like in ("RUN npm", "RUN ls", "EXPOSE 8", "COPY --from=other /app/build", "ADD"):
        if like != "RUN npm":
            found.must_not_have(like)
    told = failure(found.must_have, "EXPOSE 8080")
    assert (
        told.found
        == "`Dockerfile` has no `EXPOSE 8080`; its EXPOSE instructions: `EXPOSE 80 (line 16)`."
    )
    assert failure(found.must_have, "USER node").found == "`Dockerfile` has no USER instruction."
    assert failure(found.must_not_have, "RUN npm").found.startswith(
        "Line 6 of `Dockerfile` is `RUN npm install"
    )


def test_order_decides_what_the_cache_keeps() -> None:
    slow = written("FROM node:alpine\nCOPY . .\nRUN npm install\nCOPY package.json .\n")
    told = failure(slow.must_have_before, "RUN npm install", "COPY . .")
    assert (
        told.found == "In `Dockerfile` `COPY . .` (line 2) comes before `RUN npm install` (line 3)."
    )
    written(NODE).must_have_before("COPY package.json", "RUN npm install")
    written(NODE).must_have_before("RUN npm install", "COPY . .")


def test_exec_form() -> None:
    written(NODE).must_use_exec_form("CMD")
    told = failure(written("FROM node\nCMD npm start\n").must_use_exec_form, "CMD")
    assert told.found == "Line 2 of `Dockerfile` is `CMD npm start`: the shell form."
    assert told.hint == 'CMD ["npm", "start"]'
    failure(written("FROM node\nCMD ['npm', 'start']\n").must_use_exec_form, "CMD")


def test_stages_are_counted() -> None:
    written(NODE).must_have_stages(2)
    assert "has 1 stage: `node`" in failure(written("FROM node\n").must_have_stages, 2).found


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (
            "FROM node\nRNU ls\n",
            (
                "Line 2 of `Dockerfile` cannot be read: there is no instruction `RNU`. Did you mean"
                " `RUN`?"
            ),
        ),
        (
            "RUN ls\nFROM node\n",
            "Line 1 of `Dockerfile` cannot be read: `RUN ls` comes before any FROM.",
        ),
        ("ARG A\n", "there is no FROM"),
        (
            "FROM node\n\nRUN <<EOF\nls\n",
            "Line 3 of `Dockerfile` cannot be read: `unterminated heredoc`.",
        ),
        (
            "FROM node\nENV A\nRUN ls\n",
            "Line 2 of `Dockerfile` cannot be read: `ENV must have two arguments`.",
        ),
        (
            "FROM node\nENV A \\\n\nRUN ls\nENV B\n",
            "Line 5 of `Dockerfile` cannot be read: `ENV must have two arguments`.",
        ),
        (
            "FROM node\nCMD [1]\n",
            "Line 2 of `Dockerfile` cannot be read: `when using JSON array syntax",
        ),
        ("", "Line 1 of `Dockerfile` cannot be read: `file with no instructions`."),
        ("# YOUR CODE HERE\n", "cannot be read"),
        ("FROM node\nRUN " + "x" * 70_000, "larger than 64 KiB"),
    ],
)
def test_what_docker_cannot_read_is_told_with_its_line(text: str, words: str) -> None:
    assert words in failure(written(text).must_parse).found


def test_args_that_double_each_other_stay_small() -> None:
    doubling = "ARG A0=xx\n" + "".join(f"ARG A{i}=$A{i - 1}$A{i - 1}\n" for i in range(1, 200))
    assert len(written(doubling + "FROM $A199\n").base_image) <= 1000
    assert written("FROM " + "$" * 60_000 + "\n").base_image


def test_thousands_of_words_are_searched_in_no_time() -> None:
    written("FROM node\nRUN " + "a " * 30_000).must_not_have("RUN b")


def test_missing_file_and_link() -> None:
    assert (
        failure(dockerfile("Dockerfile.dev").must_parse).found
        == "There is no file `Dockerfile.dev`."
    )
    Path("Dockerfile").symlink_to("/etc/passwd")
    assert "symbolic link" in failure(dockerfile().must_start_from, "node").found


@needs_hadolint
def test_hadolint_advises_and_fails_only_when_asked() -> None:
    found = written("FROM node\nRUN cd /tmp\n")
    assert [(hint.code, hint.line) for hint in found.hints()][:2] == [("DL3006", 1), ("DL3003", 2)]
    found.must_have("RUN cd /tmp")
    assert "(DL3006)" in failure(found.must_pass_hadolint).found
    written("FROM node:22\n").must_pass_hadolint()
    written("FROM node\n").must_pass_hadolint(ignore=["DL3006"])


@needs_hadolint
def test_hadolint_obeys_no_settings_of_the_students() -> None:
    Path(".hadolint.yaml").write_text("ignored: [DL3006]\n")
    assert (
        "DL3006"
        in failure(written("# hadolint ignore=DL3006\nFROM node\n").must_pass_hadolint).found
    )


def test_order_and_form_of_what_is_not_there() -> None:
    recipe = written("FROM busybox\nRUN true\n")
    assert "has no COPY instruction" in failure(recipe.must_have_before, "COPY", "RUN").found
    assert "has no CMD instruction" in failure(recipe.must_have_before, "RUN", "CMD").found
    assert "has no CMD instruction" in failure(recipe.must_use_exec_form, "CMD").found


@needs_hadolint
def test_missing_tools_are_no_mistake_of_the_students(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(hadolint, "_program", lambda: str(tmp_path / "none"))
    with pytest.raises(EnvironmentProblem, match="hadolint did not work"):
        hadolint.findings("FROM busybox\n")
    monkeypatch.undo()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.executable", str(tmp_path / "python"))
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(EnvironmentProblem, match="hadolint is not installed"):
        hadolint.findings("FROM busybox\n")
