"""What a run takes: one proof of each thing, its part, and then what is most in doubt."""

import random
from itertools import chain

import pytest

from ..attacks.suite import ITEMS as ATTACKS
from ..exercises import ALL_WRONG
from . import turns
from .items import Item
from .turns import Facts, Plan, Standing, plan

ALWAYS = [Item("file", "tests/test_a.py"), Item("attack", "reach: first")]
BY_TURNS = [Item("attack", f"reach: {number:02}", "by turns") for number in range(10)]
BY_TURNS += [Item("second run", f"{number:02}-lesson", "by turns") for number in range(9)]
ONLY_ALL = [Item("mutation", "01-boxes", "all only")]
ITEMS = [*ALWAYS, *BY_TURNS, *ONLY_ALL]


def facts(mode: turns.Mode = "turns", commits: int = 8, workers: int = 1) -> Facts:
    return Facts(mode, workers, commits, [], {})


def measured(
    changes: dict[str, Standing] | None = None, seconds: float = 60
) -> dict[Item, Standing]:
    """All proved three commits ago, but for those whose names end so."""
    known = dict.fromkeys(ITEMS, Standing(seconds, age=3))
    return known | {
        item: standing
        for end, standing in (changes or {}).items()
        for item in ITEMS
        if item.name.endswith(end)
    }


def unproved() -> dict[Item, Standing]:
    return dict.fromkeys(ITEMS, Standing())


def added(made: Plan) -> list[Item]:
    """What was taken beyond what each run and this part take, in this order."""
    return [
        item for item, why in made.taken.items() if why != "always" and not why.startswith("part")
    ]


def test_parts_of_the_course_are_a_partition() -> None:
    items = [*(wrong.item for wrong in ALL_WRONG), *ATTACKS.values()]
    known = dict.fromkeys(items, Standing())
    each = [set(plan(items, known, facts(commits=commits)).taken) for commits in range(4)]
    due = {item for item in items if item.turn == "by turns"}
    assert set.union(*each) == set(items)
    assert set.intersection(*each) == set(items) - due
    assert sum(len(part & due) for part in each) == len(due)
    assert max(len(part) for part in each) - min(len(part) for part in each) <= 2  # two kinds


def test_parts_are_a_partition() -> None:
    own = [
        set(plan(ITEMS, unproved(), facts(commits=commits)).taken) - set(ALWAYS)
        for commits in range(4)
    ]
    assert sorted(chain(*own)) == sorted(BY_TURNS)
    assert [len(part) for part in own] == [6, 5, 4, 4]


def test_one_proof_of_each_thing_is_in_every_part() -> None:
    for commits in range(4):
        made = plan(ITEMS, unproved(), facts(commits=commits))
        assert {item for item, why in made.taken.items() if why == "always"} == set(ALWAYS)


def test_a_commit_later_the_next_part_is_due() -> None:
    taken = [set(plan(ITEMS, unproved(), facts(commits=commits)).taken) for commits in (5, 6, 9)]
    assert taken[0] == taken[2] != taken[1]


def test_taken_and_left_are_all() -> None:
    made = plan(ITEMS, unproved(), facts())
    assert set(made.taken) | set(made.left) == set(ITEMS)
    assert not set(made.taken) & set(made.left)
    assert made.left[ONLY_ALL[0]] == "only with --all"


def test_every_process_makes_the_same_plan() -> None:
    shuffled = random.Random(1).sample(ITEMS, len(ITEMS))
    assert plan(shuffled, measured(), facts()) == plan(ITEMS, measured(), facts())


def test_what_nobody_has_measured_adds_nothing() -> None:
    made = plan(ITEMS, unproved(), facts())
    assert added(made) == []
    assert made.unknown == len(ITEMS) - len(ONLY_ALL)


def test_most_in_doubt_comes_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(turns, "BUDGET", turns.SET_UP + 60 * 12)  # 8 are due anyway: 4 more
    known = measured({
        "03": Standing(60, age=1, changed=True),
        "05": Standing(),
        "06": Standing(60, age=99),
        "07": Standing(60, age=2, changed=True),
    })  # fmt: skip
    made = plan(ITEMS, known, facts(commits=0))
    assert [(item.name, made.taken[item]) for item in added(made)] == [
        ("reach: 05", "never proved"),
        ("reach: 07", "own files changed since the last proof"),
        ("reach: 03", "own files changed since the last proof"),
        ("reach: 06", "proved longest ago"),
    ]


def test_budget_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(turns, "BUDGET", turns.SET_UP + 60 * 12)
    for commits in range(4):
        for workers in (1, 2):
            made = plan(ITEMS, measured(), facts(commits=commits, workers=workers))
            assert made.together() <= 60 * 12 * workers
            assert len(made.taken) == min(12 * workers, len(ITEMS) - len(ONLY_ALL))


def test_part_is_taken_whole_even_above_the_budget() -> None:
    made = plan(ITEMS, measured(seconds=7200), facts())
    assert sum(why.startswith("part") for why in made.taken.values()) == 6
    assert added(made) == []


def test_unmeasured_item_counts_as_the_mean_of_its_kind() -> None:
    known = unproved() | {BY_TURNS[0]: Standing(10, age=1), BY_TURNS[1]: Standing(30, age=1)}
    made = plan(ITEMS, known, facts())
    assert made.seconds[BY_TURNS[2]] == 20
    assert (made.estimated, made.unknown) == (9, 10)  # attacks; a file and the second runs
    assert Item("second run", "00-lesson", "by turns") not in made.seconds


def test_all_takes_everything_but_what_is_green_with_the_same_files() -> None:
    known = measured({"03": Standing(60, age=0, done=True), "es": Standing(60, age=0, done=True)})
    made = plan(ITEMS, known, facts("all"))
    assert {item.name for item in made.left} == {"reach: 03", "01-boxes"}
    assert set(made.taken) == set(ITEMS) - set(made.left)
