"""Files a student wrote: read as data, whatever they turn out to be."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from grader import CheckFailed, file


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def failure(check: Callable[..., object], *args: object) -> CheckFailed:
    with pytest.raises(CheckFailed) as raised:
        check(*args)
    assert len(str(raised.value).splitlines()) == 3
    return raised.value


def test_text_and_json() -> None:
    Path("sub").mkdir()
    Path("sub/a.json").write_text('{"a": 1}\n')
    found = file("sub/a.json")
    found.must_exist()
    found.must_be_json()
    found.must_contain('"a"')
    found.must_not_contain("b")
    assert found.exists
    assert found.json == {"a": 1}
    assert file(os.path.abspath("sub/a.json")).text == '{"a": 1}\n'


def test_missing_file() -> None:
    assert not file("a").exists
    file("a").must_not_exist()
    assert failure(file("a").must_exist).found == "There is no file `a`."
    assert failure(file("a/b").must_exist).found == "There is no file `a/b`."


def test_content_is_told_by_line() -> None:
    Path("a").write_text("one\ntwo\n")
    assert failure(file("a").must_contain, "three").found == "`a` does not contain `three`."
    assert failure(file("a").must_not_contain, "two").found == "Line 2 of `a` contains `two`."
    assert failure(file("a").must_not_exist).hint == "rm -r a"


def test_broken_json_is_told_with_its_place() -> None:
    Path("a").write_text('{\n"a": }')
    assert "is not JSON at line 2, column 6" in failure(file("a").must_be_json).found


def test_json_nested_too_deep_is_told() -> None:
    Path("a").write_text("[" * 200_000)
    assert "is not JSON" in failure(file("a").must_be_json).found


def test_links_are_not_followed(tmp_path: Path) -> None:
    Path("secret").write_text("secret")
    Path("link").symlink_to("secret")
    Path("folder").symlink_to(tmp_path)
    for path in ("link", "folder/secret"):
        assert not file(path).exists
        assert "symbolic link" in failure(file(path).must_exist).found


def test_what_is_no_file_is_refused() -> None:
    Path("folder").mkdir()
    os.mkfifo("pipe")
    assert "a folder" in failure(file("folder").must_exist).found
    assert "not a regular file" in failure(file("pipe").must_exist).found
    assert "not a regular file" in failure(file("/dev/zero").must_exist).found


def test_huge_file_is_refused() -> None:
    with open("huge", "wb") as huge:
        huge.truncate(10**10)
    assert failure(file("huge").must_exist).found == "`huge` is larger than 1024 KiB."


def test_bytes_that_are_no_text_are_shown_as_such() -> None:
    Path("a").write_bytes(b"\xff\xfe ok")
    file("a").must_contain("ok")
