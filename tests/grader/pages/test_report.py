"""The report on a class: its numbers, its page, and that nothing a student wrote is active on
it.
"""

import csv
import io
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page

from grader.judging.results import Check, Result
from grader.pages.plots import STYLES, checks_plot
from grader.pages.report import page, table
from grader.pages.similarity import Pair, compare, standing_out
from grader.pages.summary import commonest, summarise

from ...test_browser import browser

__all__ = ["browser"]  # fixture
CHECKS = ("The container `web` runs", "It answers on port 8080", "You explain why")
ACTIVE = "<script>document.title = 'taken'</script><img src=x onerror=\"document.title='taken'\">"


def result(student: str, *points: float, reason: str | None = None, **more: object) -> Result:
    statuses = [
        "passed" if earned == most else "failed"
        for earned, most in zip(points, (3, 2, 4), strict=True)
    ]
    if points[2] < 0:
        statuses[2], points = "needs-grading", (*points[:2], 0)
    messages = [
        (
            ""
            if status == "passed"
            else (
                f"`web` is not published to port {8000 + len(student)}.\nExpected: 8080.\nTry: -p"
                " 8080:80"
            )
        )
        for status in statuses
    ]
    checks = [
        Check(name, earned, most, status, message)  # type: ignore[arg-type]
        for name, earned, most, status, message in zip(
            CHECKS, points, (3, 2, 4), statuses, messages, strict=True
        )
    ]
    return Result(student, checks, reason, **{"seconds": 4.0, **more})  # type: ignore[arg-type]


CLASS = [
    result("ada", 3, 2, 4),
    result("bob", 3, 0, -1),
    result("carla", 1.5, 0, 2, reason="timeout", seconds=40.0),
    result(
        "dan",
        3,
        2,
        4,
        late_penalty=1.0,
        notes=["The test cell t1 had been edited; it was put back."],
    ),
    Result(f"eve {ACTIVE}", [], "malformed", notes=[f"{ACTIVE} is not a notebook."]),
]


def test_numbers_are_those_of_the_graded() -> None:
    report = summarise("tiny", CLASS)
    assert (report.students, report.graded, report.max_points) == (5, 4, 9)
    assert report.points == (9, 3, 3.5, 8)
    assert (report.median, report.mean) == (5.75, 5.875)
    first, second, third = report.checks
    assert (first.passed, first.partly, first.failed) == (3, 1, 0)
    assert (second.passed, second.failed) == (2, 2)
    assert (third.passed, third.partly, third.waiting) == (2, 1, 1)
    assert report.reasons == {"timeout": 1, "malformed": 1}
    assert json.loads(json.dumps(report.as_json()))["checks"][1]["name"] == CHECKS[1]


def test_messages_that_differ_in_drawn_values_are_one() -> None:
    (message, times), *others = summarise("tiny", CLASS).checks[1].messages
    assert (message.splitlines()[0], times, others) == (
        "`web` is not published to port 8003.",
        2,
        [],
    )
    assert commonest(["`greeter-4711` is off.", "`greeter-12` is off.", "No."])[0] == (
        "`greeter-4711` is off.",
        2,
    )


def test_who_needs_a_look_is_said_with_the_reason() -> None:
    looks = {look.student.split()[0]: " ".join(look.why) for look in summarise("tiny", CLASS).look}
    assert set(looks) == {"bob", "carla", "dan", "eve"}
    assert "an answer to read" in looks["bob"]
    assert "timeout" in looks["carla"]
    assert "took 40 s" in looks["carla"]
    assert "handed in late" in looks["dan"]
    assert "put back" in looks["dan"]


def test_a_class_of_which_nothing_could_be_graded_has_a_page() -> None:
    report = summarise("tiny", [CLASS[-1]])
    assert (report.graded, report.mean, report.checks) == (0, 0.0, ())
    assert "0 of 1" in page(report)


def test_statuses_in_the_plot_of_checks_are_told_apart_without_colour() -> None:
    assert len({hatch for _, hatch in STYLES.values()}) == len(STYLES)
    counts = (
        sum(getattr(check, status) for check in summarise("tiny", CLASS).checks)
        for status in STYLES
    )
    hatched = sum(bool(count) for count in counts) - 1  # passed is plain
    assert checks_plot(summarise("tiny", CLASS)).count("<pattern") == hatched


def test_table_has_the_numbers_of_the_page() -> None:
    rows = list(csv.DictReader(io.StringIO(table(summarise("tiny", CLASS)))))
    assert [(row["check"], row["passed"], row["failed"], row["times"]) for row in rows[:2]] == [
        (CHECKS[0], "3", "0", "1"),
        (CHECKS[1], "2", "2", "2"),
    ]


def test_copies_stand_out_and_what_was_released_does_not_count() -> None:
    released = (
        "docker run --name web nginx  # the question says so, at some length, to everybody in this"
        " class\n" * 3
    )
    own = {
        name: (
            released
            + f"My own words about containers, number {number * 7919}: {name * 9} "
            + name[::-1] * 20
        )
        for number, name in enumerate(("ada", "bob", "carla", "dan", "erin", "frank"))
    }
    own["copy"] = own["ada"].replace("about containers", "about  Containers")
    pairs = compare(own, released)
    assert len(pairs) == 21
    assert [(pair.first, pair.second) for pair in standing_out(pairs)] == [("ada", "copy")]
    assert (
        standing_out([Pair("a", "b", 1.0, 1.0), Pair("a", "c", 1.0, 1.0), Pair("b", "c", 1.0, 1.0)])
        == []
    ), "all alike: no hint"


@pytest.fixture
def opened(browser: Browser, tmp_path: Path) -> Iterator[tuple[Page, list[str]]]:
    file = tmp_path / "report.html"
    file.write_text(
        page(summarise("tiny", CLASS, [Pair("ada", "dan", 0.93, 0.88)])), encoding="utf-8"
    )
    context = browser.new_context(viewport={"width": 1100, "height": 900})
    opened = context.new_page()
    asked: list[str] = []
    opened.on("request", lambda request: asked.append(request.url))
    opened.goto(file.as_uri())
    yield opened, asked
    context.close()


@pytest.mark.browser
def test_page_is_whole_without_anything_from_elsewhere_and_nothing_on_it_acts(
    opened: tuple[Page, list[str]], shots: Path | None
) -> None:
    shown, asked = opened
    assert [url for url in asked if not url.startswith("file:")] == []
    assert len(asked) == 1
    assert shown.title() == "tiny: report"
    assert shown.locator("figure svg").count() == 3
    assert "<script>" in shown.locator("body").inner_text(), "what a student wrote is text"
    assert shown.get_by_role("img", name="Distribution of points").count() == 1
    assert "93 %" in shown.locator("body").inner_text()
    if shots:
        shown.screenshot(path=shots / "report.png", full_page=True)
