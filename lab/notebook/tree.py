"""A tree in text, with the lines that `tree` and `git` draw."""

from collections.abc import Iterator, Sequence

Branch = tuple[str, Sequence["Branch"]]


def draw_tree(branches: Sequence[Branch]) -> Iterator[str]:
    """The lines of the branches, each with all that is below it.

    >>> for line in draw_tree([("a", [("b", [("c", [])])]), ("d", [])]):
    ...     print(line)
    ├─ a
    │  └─ b
    │     └─ c
    └─ d
    """
    for index, (name, below) in enumerate(branches):
        last = index == len(branches) - 1
        yield ("└─ " if last else "├─ ") + name
        yield from (("   " if last else "│  ") + line for line in draw_tree(below))
