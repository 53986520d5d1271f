"""What is read from short texts, and what is said when they are wrong: label selectors and
schedules.
"""

import pytest

pytest.importorskip("kubernetes_validate")

from lab.cluster.model.errors import APIError
from lab.cluster.model.labelparser import parse_labels
from lab.cluster.model.selectors import text_of
from lab.cluster.registry.validation.schedule import schedule_error, zone_error


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a=b", "a=b"),
        ("a==b, c!=d", "a=b,c notin (d)"),
        ("a in (y,x),!b", "a in (x,y),!b"),
        ("a.b/c notin (d)", "a.b/c notin (d)"),
        ("a", "a"),
        ("a=", "a="),
        ("in in (in)", "in=in"),
        ("", ""),
        (" a = b ", "a=b"),
    ],
)
def test_selector_is_read(text: str, shown: str) -> None:
    assert text_of(parse_labels(text)) == shown


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a b", "unable to parse requirement: found 'b', expected: in, notin, =, ==, !=, gt, lt"),
        ("a in b", "unable to parse requirement: found 'b' expected: '('"),
        ("a in (b", "unable to parse requirement: found '', expected: ',' or ')'"),
        ("a=b,", "found '', expected: identifier after ','"),
        ("a=b c", "found 'c', expected: ',' or 'end of string'"),
        ("=b", "found '=', expected: !, identifier, or 'end of string'"),
        (
            "a=b/c",
            (
                'unable to parse requirement: values[0][a]: Invalid value: "b/c": a valid label'
                " must be"
            ),
        ),
        (
            "-a=b",
            'unable to parse requirement: <nil>: Invalid value: "-a": name part must consist of',
        ),
        ("a>x", "for 'Gt', 'Lt' operators, the value must be an integer"),
    ],
)
def test_what_is_wrong_with_a_selector_is_said(text: str, said: str) -> None:
    with pytest.raises(APIError) as refused:
        parse_labels(text)
    assert said in str(refused.value)


@pytest.mark.parametrize(
    "schedule", ["*/5 * * * *", "@daily", "0 0 1,15 jan-mar MON", "5/10 8-18/2 ? * 0"]
)
def test_schedule_is_one(schedule: str) -> None:
    assert schedule_error(schedule) is None


@pytest.mark.parametrize(
    ("schedule", "said"),
    [
        ("nope", "expected exactly 5 fields, found 1: [nope]"),
        ("61 * * * *", "end of range (61) above maximum (59): 61"),
        ("* * 0 * *", "beginning of range (0) below minimum (1): 0"),
        ("* * * * 7", "end of range (7) above maximum (6): 7"),
        ("5-1 * * * *", "beginning of range (5) beyond end of range (1): 5-1"),
        ("*/0 * * * *", "step of range should be a positive number: */0"),
        ("x * * * *", 'failed to parse int from x: strconv.Atoi: parsing "x": invalid syntax'),
        ("TZ=UTC * * * * *", "cannot use TZ or CRON_TZ in schedule, use timeZone field instead"),
    ],
)
def test_what_is_wrong_with_a_schedule_is_said(schedule: str, said: str) -> None:
    assert schedule_error(schedule) == said


def test_time_zone_is_one_of_the_known() -> None:
    assert zone_error("Europe/Berlin") is None
    assert zone_error("Nowhere/Town") == "unknown time zone Nowhere/Town"
