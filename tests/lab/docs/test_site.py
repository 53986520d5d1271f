"""The documentation site: complete, local, and built without a warning."""

import re
import shutil
import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
from bs4 import BeautifulSoup, Tag

from lab.course import ROOT
from lab.docs.build import build
from lab.docs.extension import sections
from lab.errors import LabError

HERE = Path(__file__).parent
QUESTIONS = tomllib.loads((HERE / "questions.toml").read_text())["question"]
SMALL_NAVIGATION = """\
[[section]]
title = "Start"
page = "start"
pages = ["lessons", "commands"]
"""
ENTRIES = {entry["title"]: entry for entry in sections(ROOT / "docs")}


@cache
def read(page: Path) -> BeautifulSoup:
    return BeautifulSoup(page.read_text(), "html.parser")


def words(element: Tag) -> str:
    return " ".join(element.get_text().split())


def pages(site: Path) -> Iterator[Path]:
    return (page for page in site.rglob("*.html") if "_static" not in page.parts)


def test_faults_fail_the_build_and_are_named(tmp_path: Path) -> None:
    docs = tmp_path / "docs"
    shutil.copytree(ROOT / "docs" / "_static", docs / "_static")
    shutil.copy(ROOT / "docs" / "conf.py", docs)
    (docs / "nav.toml").write_text(SMALL_NAVIGATION)
    (docs / "index.md").write_text("# Small\n")
    (docs / "start.md").write_text(
        "# Start\n[page](nowhere.md) [heading](index.md#nothing) ![picture](images/none.png)\n"
    )
    (docs / "lost.md").write_text("# A page outside the navigation\n")
    (tmp_path / "course").mkdir()
    with pytest.raises(LabError) as failure:
        build(tmp_path / "site", docs, tmp_path / "course")
    for fault in ("nowhere.md", "nothing", "images/none.png"):
        assert re.search(rf"^docs/start\.md.*{fault}", failure.value.what, re.MULTILINE), fault
    assert re.search(r"^docs/lost\.md.*toctree", failure.value.what, re.MULTILINE)


def test_navigation_is_the_same_on_each_page(site: Path) -> None:
    for page in pages(site):
        header = read(page).select_one("header nav")
        assert header
        links = [words(link) for link in header.select("a.nav-link")]
        assert links == list(ENTRIES), page.name


def test_each_entry_has_three_questions() -> None:
    asked = [question["entry"] for question in QUESTIONS]
    assert {entry: asked.count(entry) for entry in ENTRIES} == dict.fromkeys(ENTRIES, 3)


@pytest.mark.parametrize("question", QUESTIONS, ids=lambda question: question["asks"])
def test_question_is_answered_below_its_entry(site: Path, question: dict[str, str]) -> None:
    name, _, anchor = question["page"].partition("#")
    page = read(site / name)
    current = page.select_one("header .nav-item.current")
    assert current
    assert words(current) == question["entry"]
    part = page.find(id=anchor) if anchor else page.select_one("article")
    assert isinstance(part, Tag), f"{name} has no {anchor}"
    assert question["answer"] in words(part)


def test_nothing_is_loaded_from_elsewhere(site: Path) -> None:
    loaded = [
        (page.name, address)
        for page in pages(site)
        for tag in read(page).select("[src], [srcset], link[href], object[data], use[href]")
        if tag.get("rel") not in (["canonical"], ["next"], ["prev"])
        for name in ("src", "srcset", "href", "data")
        if re.match(r"(\w+:)?//", address := str(tag.get(name, "")))
    ]
    styles = [
        (sheet.name, address)
        for sheet in site.rglob("*.css")
        for address in re.findall(
            r"(?:url\(|@import )[\"']?((?:\w+:)?//[^)\"']+)", sheet.read_text()
        )
    ]
    assert loaded + styles == []


def test_each_file_that_a_page_names_is_there(site: Path) -> None:
    missing = [
        (page.name, address)
        for page in pages(site)
        for tag in read(page).select("[src], link[rel=stylesheet]")
        if (address := str(tag.get("src") or tag.get("href")).partition("?")[0])
        if not address.startswith("data:") and not (page.parent / address).exists()
    ]
    assert missing == []


def test_every_command_has_its_help(site: Path) -> None:
    named = {heading.get("id") for heading in read(site / "commands.html").select("section")}
    assert {"up", "down", "doctor", "grade", "collect", "submit", "docs"} <= named
