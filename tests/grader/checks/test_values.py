"""Values a student assigned: compared as data, and never answered for by an object of theirs."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from typing import Any

import pytest

from grader import CheckFailed, given

HINT = "docker port web"


def failure(check: Callable[..., object], *args: object, **options: object) -> CheckFailed:
    with pytest.raises(CheckFailed) as raised:
        check(*args, **options)
    assert len(str(raised.value).splitlines()) == 3
    return raised.value


class Yes(str):
    """Equal to everything, contains everything."""

    __hash__ = None  # type: ignore[assignment]

    def __eq__(self, other: object) -> bool:
        return True

    def __contains__(self, other: object) -> bool:
        return True


class Number(int):
    def __eq__(self, other: object) -> bool:
        return True

    def __sub__(self, other: object) -> Any:
        return 0

    __hash__ = None  # type: ignore[assignment]


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (8080, 8080),
        (8080.0, 8080),
        (" nginx ", "nginx"),
        (True, True),
        ([1, "a"], [1, "a"]),
        ({"a": [1]}, {"a": [1]}),
    ],
)
def test_the_same_value_passes(value: object, expected: object) -> None:
    given("answer", value).must_equal(expected, hint=HINT)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (80, 8080),
        ("8080", 8080),
        (8080, "8080"),
        (True, 1),
        (1, True),
        ([1], [True]),
        ([1], [1, 2]),
        ("Nginx", "nginx"),
        (math.nan, 8080),
        ({"a": 1}, {"a": 2}),
        ({}, {"a": 1}),
        (10**400, 5.0),
    ],
)
def test_another_value_fails_and_the_expected_one_stays_hidden(
    value: object, expected: object
) -> None:
    told = failure(given("answer", value).must_equal, expected, hint=HINT)
    assert told.found.startswith("`answer` is ")
    if isinstance(expected, int) and value == 80:
        assert str(expected) not in str(told)


@pytest.mark.parametrize(
    "cheat",
    [Yes("x"), Number(3), [Yes("x")], {"a": Number(1)}, object(), len, b"x", {1: 2}, (1, 2)],
)
def test_objects_of_the_students_own_are_no_data(cheat: object) -> None:
    for check in (given("answer", cheat).must_equal, given("answer", cheat).must_be_one_of):
        assert "holds a Python object of type" in failure(check, 1, hint=HINT).found
    failure(given("answer", cheat).must_be_about, 1, within=5, hint=HINT)
    failure(given("answer", cheat).must_contain, "x", hint=HINT)


@pytest.mark.parametrize("placeholder", [None, ...])
def test_a_placeholder_is_no_value_yet(placeholder: object) -> None:
    assert (
        failure(given("answer", placeholder).must_equal, 1, hint=HINT).found
        == "`answer` has no value yet."
    )


def test_the_variable_is_found_by_name() -> None:
    namespace: dict[str, Any] = {"given": given, "answer": 3}
    exec("given('answer').must_equal(3, hint='')", namespace)
    with pytest.raises(CheckFailed, match="`other` has no value yet"):
        exec("given('other').must_equal(3, hint='')", namespace)


def test_one_of_several() -> None:
    given("answer", "image").must_be_one_of("image", "an image", hint=HINT)
    given("answer", "IMAGE").must_be_one_of("image", hint=HINT, ignore_case=True)
    told = failure(given("answer", "container").must_be_one_of, "image", "an image", hint=HINT)
    assert "`an image`" not in str(told)


def test_about_a_number() -> None:
    given("size", 10.4).must_be_about(10, within=0.5, hint=HINT)
    for wrong in (10.6, math.nan, math.inf, 10**400, -(10**400)):
        failure(given("size", wrong).must_be_about, 10, within=0.5, hint=HINT)
    assert (
        "is True or False"
        in failure(given("size", True).must_be_about, 1, within=0.5, hint=HINT).found
    )


def test_text_that_contains() -> None:
    given("why", "The process ENDED").must_contain("ended", hint=HINT)
    failure(given("why", "no idea").must_contain, "ended", hint=HINT)


def test_hint_and_question_are_the_authors() -> None:
    told = failure(given("port", 80).must_equal, 8080, hint=HINT, asked="the host port of `web`.")
    assert str(told) == "`port` is `80`.\nExpected: the host port of `web`.\nTry: docker port web"


@pytest.mark.parametrize(
    "huge",
    [10**5000, "x" * 10**6, json.loads("[" * 400 + "]" * 400), [0] * 10**5],
    ids=["int", "str", "deep", "long"],
)
def test_huge_values_are_shown_short(huge: object) -> None:
    assert len(str(failure(given("answer", huge).must_equal, 1, hint=HINT))) < 600
