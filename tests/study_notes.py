"""The study notes that the course follows, sentence by sentence, and where each is taught.

``course/coverage.toml`` holds the statements; a fault says what is wrong with it, and what to do.
"""

import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

NOTES = "course/notes.md"
COVERAGE = "course/coverage.toml"

_LIST_MARK = re.compile(r"^(?:[-+]|\d+(?:\.\d+)*\.?)\s+")
_LINK = re.compile(r"!?\[[^\]]*\]\([^)]*\)")
# A full stop in `docker build .`, after a number ("step 2.") or in "i.e." ends no sentence.
_SENTENCE_END = re.compile(r"(?<=[^\s\d.]\.)(?<!i\.e\.)\s+|(?<=\s\.)\s+(?=[A-Z])")


@dataclass(frozen=True)
class Sentence:
    """A sentence as it reads without Markdown's marks; ``line`` counts from 1."""

    line: int
    text: str


@dataclass(frozen=True)
class Statement:
    """Words of the notes, and where they are taught; without a cell, that lesson is to come."""

    quote: str
    lesson: str
    cell: str | None = None


def statement_of(entry: Mapping[str, str]) -> Statement:
    """The statement of an entry; raises ValueError if it has other keys than a statement has."""
    try:
        return Statement(**entry)
    except TypeError:
        raise ValueError(
            f"{COVERAGE}: {dict(entry)}\n"
            "  Try: give it a quote, a lesson and, if the lesson is written, a cell; nothing else."
        ) from None


def plain(text: str) -> str:
    """The text without bold, italic and code marks, with single blanks."""
    return " ".join(re.sub(r"[*`]", "", text).split())


def sentences(notes: str) -> list[Sentence]:
    """All sentences that say something: no heading, no rule, no link."""
    return [
        Sentence(number, sentence)
        for number, line in enumerate(notes.splitlines(), 1)
        if not line.startswith("#")
        for sentence in _SENTENCE_END.split(plain(_LIST_MARK.sub("", _LINK.sub("", line.strip()))))
        if re.search(r"\w", sentence)
    ]


def unquoted(notes: Iterable[Sentence], statements: Collection[Statement]) -> Iterator[str]:
    """A fault for each sentence with words that no statement quotes."""
    quotes = [plain(statement.quote) for statement in statements]
    for sentence in notes:
        rest = sentence.text
        for quote in quotes:
            start = sentence.text.find(quote)
            if start >= 0:
                rest = rest[:start] + " " * len(quote) + rest[start + len(quote) :]
        if re.search(r"\w", rest):
            yield (
                f'{NOTES}, line {sentence.line}: no statement quotes "{plain(rest)}".\n'
                f"  Try: add a [[statement]] to {COVERAGE} with these words as its quote, and the\n"
                "  lesson and cell that show them; or a lesson of [coming], and no cell."
            )


def misquoted(notes: Sequence[Sentence], statements: Iterable[Statement]) -> Iterator[str]:
    """A fault for each statement that does not quote exactly one place in one sentence."""
    for statement in statements:
        quote, lines = plain(statement.quote), _lines(notes, statement.quote)
        if not lines:
            yield (
                f'{COVERAGE}: no sentence of {NOTES} contains the quote "{quote}".\n'
                "  Try: copy words from one sentence of the notes as they are, mistakes included."
            )
        elif len(lines) > 1:
            yield (
                f'{COVERAGE}: the quote "{quote}" occurs {len(lines)} times in {NOTES}:'
                f" line {', '.join(map(str, lines))}.\n"
                "  Try: quote more words of the sentence that is meant."
            )


def misplaced(
    notes: Sequence[Sentence],
    statements: Iterable[Statement],
    lessons: Mapping[str, Collection[str]],
    coming: Collection[str],
) -> Iterator[str]:
    """A fault for each statement that is not where it says.

    ``lessons`` holds the ids of each lesson's cells, ``coming`` the lessons still to be written,
    both by number ("07").
    """
    for statement in statements:
        fault = wrong_place(statement.lesson, statement.cell, lessons, coming)
        if fault:
            lines = ", ".join(map(str, _lines(notes, statement.quote)))
            yield f'{NOTES}, line {lines}: "{plain(statement.quote)}":\n  {fault}'


def wrong_place(
    lesson: str, cell: str | None, lessons: Mapping[str, Collection[str]], coming: Collection[str]
) -> str | None:
    """What is wrong with a place in the course, or None; the arguments are as above."""
    if lesson not in lessons:
        if cell:
            return (
                f"there is no course/{lesson}-*.ipynb. Try: leave out the cell until it is there."
            )
        if lesson not in coming:
            return f"lesson {lesson} is neither in course/ nor in [coming]. Try: name another one."
    elif cell is None:
        return f"lesson {lesson} is written. Try: add the id of its cell that shows these words."
    elif cell not in lessons[lesson]:
        return f'lesson {lesson} has no cell "{cell}". Try: name the cell that shows these words.'
    return None


def _lines(notes: Iterable[Sentence], quote: str) -> list[int]:
    """The line of each place where the notes say these words."""
    words = plain(quote)
    return [sentence.line for sentence in notes for _ in range(sentence.text.count(words))]
