"""Which files are an item's own."""

import pytest

from ..attacks.suite import ATTACKS, ITEMS
from ..exercises import ALL_WRONG, EXERCISES
from .conftest import FILES, Repository
from .history import History
from .items import Item, digest, own_files

EXERCISE = [
    "grader/checks/container/ports.py",
    "grader/checks/containers.py",
    "solutions/01-boxes/01-boxes.ipynb",
    "solutions/01-boxes/start.sh",
    "tests/wrong/01-boxes.toml",
]


@pytest.mark.parametrize(
    ("item", "files"),
    [
        ("file: tests/attacks/reach.py", ["tests/attacks/reach.py"]),
        ("exercise: 01-boxes", EXERCISE),
        ("wrong answer: 01-boxes: start: no name", EXERCISE),
        ("attack: reach: The gradebook read: and written", ["tests/attacks/reach.py"]),
        ("lesson: 01-hello", ["course/01-hello.ipynb", "course/apps/page/Dockerfile"]),
        ("second run: 01-hello", ["course/01-hello.ipynb", "course/apps/page/Dockerfile"]),
        ("mutation: 01-boxes", EXERCISE),
        ("lesson: 99-gone", []),
    ],
)
def test_own_files(repository: Repository, item: str, files: list[str]) -> None:
    history = History(repository.root)
    assert own_files(item, history.tree(history.head)) == files


def test_unknown_kind_is_named(repository: Repository) -> None:
    history = History(repository.root)
    with pytest.raises(KeyError, match="no known kind"):
        own_files("spell: abracadabra", history.tree(history.head))


@pytest.mark.parametrize(
    ("changed", "differs"),
    [
        ("solutions/01-boxes/start.sh", True),
        ("grader/checks/container/ports.py", True),
        ("grader/checks/partial.py", False),  # every exercise uses it
        ("grader/checks/engine.py", False),  # several nouns use it
        ("grader/checks/images.py", False),  # a noun that this exercise does not use
        ("solutions/010-other/010-other.ipynb", False),
        ("course/01-hello.ipynb", False),
    ],
)
def test_digest_follows_own_files_only(repository: Repository, changed: str, differs: bool) -> None:
    before = History(repository.root)
    repository.commit({changed: FILES[changed] + "\n"})
    after = History(repository.root)
    first, second = (digest("exercise: 01-boxes", one.tree(one.head)) for one in (before, after))
    assert (first != second) == differs


def test_digest_needs_a_file(repository: Repository) -> None:
    history = History(repository.root)
    assert digest("exercise: 99-gone", history.tree(history.head)) is None


def test_items_have_names_of_their_own() -> None:
    items = [
        *(wrong.item for wrong in ALL_WRONG),
        *ITEMS.values(),
        *(exercise.item for exercise in EXERCISES),
    ]
    assert len({str(item) for item in items}) == len(items)


def test_each_question_keeps_one_wrong_answer_in_every_run() -> None:
    for exercise in EXERCISES:
        for question in exercise.questions:
            turns = [wrong.item.turn for wrong in exercise.wrong if wrong.question in question]
            assert turns.count("always") == 1, (exercise.name, question)
            assert turns.count("by turns") == len(turns) - 1


def test_each_kind_of_attack_keeps_one_in_every_run() -> None:
    modules: dict[str, list[Item]] = {}
    for item in ITEMS.values():
        modules.setdefault(item.name.partition(":")[0], []).append(item)
    assert len(ATTACKS) == len(ITEMS) > len(modules) > 1
    assert [[item.turn for item in items].count("always") for items in modules.values()] == [
        1
    ] * len(modules)


def test_items_of_the_course_have_files_of_their_own(own_history: History) -> None:
    tree = own_history.tree(own_history.head)
    items = [one.item for one in ALL_WRONG] + [one.item for one in EXERCISES]
    assert [
        str(one) for one in items if not any("checks" in path for path in own_files(str(one), tree))
    ] == []
    assert [str(item) for item in ITEMS.values() if len(own_files(str(item), tree)) != 1] == []
    assert own_files(str(Item("mutation", "grader/checks")), tree)
