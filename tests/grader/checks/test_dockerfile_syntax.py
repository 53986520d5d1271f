"""Dockerfiles are read as BuildKit reads them.

dockerfiles.json holds what BuildKit's own parser (0.12.5, of the package dockerfile 3.4.0) said of
each text: those of its tests and of this course's, and mutations of them.
"""

import json
from pathlib import Path
from typing import Any

import pytest

from grader.checks.dockerfile_syntax import DockerfileSyntaxError, read

RECORDED: list[dict[str, Any]] = json.loads(
    Path(__file__).with_name("dockerfiles.json").read_text()
)


@pytest.mark.parametrize("recorded", [one for one in RECORDED if "instructions" in one])
def test_same_instructions_as_buildkit(recorded: dict[str, Any]) -> None:
    for found, wanted in zip(read(recorded["text"]), recorded["instructions"], strict=True):
        keyword, values, flags, line, exec_form, heredocs = wanted
        assert (found.keyword, list(found.values), found.line) == (keyword, values, line)
        assert (found.exec_form, list(found.heredocs)) == (exec_form, heredocs)
        if flags is not None:  # of ONBUILD the package gave only those that it does not have
            assert list(found.flags) == flags


@pytest.mark.parametrize("recorded", [one for one in RECORDED if "error" in one])
def test_same_errors_as_buildkit(recorded: dict[str, Any]) -> None:
    with pytest.raises(DockerfileSyntaxError) as raised:
        read(recorded["text"])
    assert str(raised.value) == recorded["error"]


def test_here_document_and_flags_of_onbuild_are_its_own() -> None:
    copy, run = read("ONBUILD COPY --from=a b c\nONBUILD RUN <<EOF\nls\nEOF\n")
    assert (copy.values, copy.flags) == (("COPY", "b", "c"), ("--from=a",))
    assert (run.values, run.heredocs) == (("RUN", "<<EOF"), ("ls\n",))


def test_pattern_in_a_variable_does_not_hide_a_here_document() -> None:
    assert read('RUN "${path%/*}" <<EOF\nls\nEOF\n')[0].heredocs == ("ls\n",)


@pytest.mark.parametrize(
    ("text", "flags", "values"),
    [
        ("COPY --x=é a b", ("--x=é",), ("a", "b")),
        ("COPY --x=à a b", ("--x=à",), ("a", "b")),
        ("HEALTHCHECK CMD\xa0/app", (), ("CMD", "/app")),
        ("COPY --x=1\x85a b", ("--x=1",), ("a", "b")),
        ("RUN echo \x1c", (), ("echo \x1c",)),
    ],
)
def test_flags_and_spaces_are_characters_not_bytes(
    text: str, flags: tuple[str, ...], values: tuple[str, ...]
) -> None:
    found = read(text)[0]
    assert (found.flags, found.values) == (flags, values)


@pytest.mark.parametrize(
    "line",
    [
        "CMD " + "[" * 60_000,
        "# escape=" + " " * 60_000 + "x y",
        "ONBUILD " * 8_000,
        "RUN " + "\\ " * 30_000,
        "RUN <<" + "'a" * 30_000,
        "ENV " + "a=' " * 15_000,
        "COPY " + "--a " * 15_000,
        "RUN <<a " + "${" * 30_000,
        "RUN <<a " + "${a:" * 15_000,
        "RUN \\\n" * 10_000,
    ],
    ids=lambda line: line[:12],
)
@pytest.mark.timeout(5)
def test_long_lines_take_no_time_and_raise_nothing_else(line: str) -> None:
    try:
        assert read(f"{line}\nFROM a\n")
    except DockerfileSyntaxError:
        return


def test_error_tells_the_line_on_which_the_instruction_begins() -> None:
    with pytest.raises(DockerfileSyntaxError) as raised:
        read("FROM a\n\n# b\nENV c \\\n\n  # d\n  \\\n")
    assert (raised.value.line, str(raised.value)) == (4, "ENV must have two arguments")
