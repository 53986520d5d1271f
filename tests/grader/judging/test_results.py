"""Results that cannot be are refused where they are made."""

from pathlib import Path

import pytest

from grader.judging.results import Check, Result, document
from grader.pages.notebook import clean
from lab.inside.sandbox_engine import link_template


@pytest.mark.parametrize("points", [-1, 4, float("nan"), float("inf")])
def test_points_that_cannot_be_are_refused(points: float) -> None:
    with pytest.raises(ValueError, match="of 3"):
        Check("t", points, 3, "passed")


def test_status_is_one_of_four() -> None:
    with pytest.raises(ValueError, match="status"):
        Check("t", 1, 3, "excellent")  # type: ignore[arg-type]


def test_text_cannot_move_a_cursor() -> None:
    assert Check("a\x1b[2J", 0, 1, "failed", "one\ntwo\x07").message == "one\ntwo\\x07"


@pytest.mark.parametrize(
    ("reason", "status"),
    [
        (None, "graded"),
        ("timeout", "graded"),
        ("environment", "not-graded"),
        ("malformed", "not-graded"),
    ],
)
def test_only_our_faults_and_unreadable_work_leave_it_ungraded(
    reason: str | None, status: str
) -> None:
    result = Result("s", [Check("t", 1, 3, "failed", "m")], reason)  # type: ignore[arg-type]
    (one,) = document("a", 1.0, [result])["submissions"]
    assert (one["status"], one["reason"], one["points"], one["max_points"]) == (
        status,
        reason,
        1,
        3,
    )


@pytest.mark.parametrize(
    "active",
    [
        "<script>alert(1)</script>",
        "<img src=x onerror=alert(1)>",
        "<img src='https://example.com/x.png'>",
        "<a href='javascript:alert(1)'>x</a>",
        "<a href='data:text/html,x'>x</a>",
        "<iframe src='x'></iframe>",
        "<form action='x'></form>",
        "<svg onload=alert(1)></svg>",
        "<p style='position:fixed'>x</p>",
        "<style>body{}</style>",
    ],
)
def test_nothing_active_passes(active: str) -> None:
    left = clean(active)
    forbidden = (
        "script",
        "onerror",
        "onload",
        "src=",
        "href=",
        "style",
        "<iframe",
        "<form",
        "<svg",
    )
    assert [word for word in forbidden if word in left] == []


def test_text_pictures_and_links_pass() -> None:
    kept = (
        '<p>a <a href="https://example.com" rel="noopener noreferrer">b</a> <img'
        ' src="data:image/png;base64,aGk=" alt="c"></p>'
    )
    assert clean(kept) == kept


def test_template_is_linked_and_never_written(tmp_path: Path) -> None:
    template, data = tmp_path / "template", tmp_path / "data"
    (template / "image" / "overlay2").mkdir(parents=True)
    (template / "overlay2" / "l").mkdir(parents=True)
    (template / "overlay2" / "abc" / "diff").mkdir(parents=True)
    (template / "overlay2" / "abc" / "link").write_text("SHORT")
    (template / "overlay2" / "l" / "SHORT").symlink_to("../abc/diff")
    link_template(template, data)
    layer = data / "overlay2" / "abc"
    assert (layer / "diff").readlink() == template / "overlay2" / "abc" / "diff"
    assert (layer / "committed").exists()
    assert (layer / "link").read_text() == "SHORT"
    assert (data / "overlay2" / "l" / "SHORT").resolve() == template / "overlay2" / "abc" / "diff"
    assert sorted(path.name for path in (template / "overlay2" / "abc").iterdir()) == [
        "diff",
        "link",
    ]
