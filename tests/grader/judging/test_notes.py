"""Notes on a submission have a limit, and hold nothing that a terminal or a file cannot take."""

from grader.judging.notes import MAX_CHARS, MAX_NOTES, MAX_OF_A_KIND, limited
from grader.judging.repair import SubmittedCell, restore
from grader.judging.results import Result


def test_few_notes_stay_as_they_are() -> None:
    notes = ["Cell q1 was missing: it was put back as released.", "A note."]
    assert limited(notes) == notes


def test_thousands_of_forged_cells_are_a_few_lines() -> None:
    forged = [SubmittedCell("code", "", f"bonus-{number}") for number in range(9000)]
    _, notes = restore(forged, [])
    said = limited(notes)
    assert len(said) == MAX_OF_A_KIND + 1
    assert said[-1] == "And 8,980 more of these: it is a plain cell now."
    assert limited(said) == said, "limited again, they say the same"


def test_notes_of_thousands_of_kinds_have_a_limit_too() -> None:
    assert len(limited(f"{number}: {number}" for number in range(9000))) == MAX_NOTES


def test_a_note_has_nothing_that_moves_a_cursor_or_has_no_form_in_utf_8() -> None:
    result = Result("ada", [], notes=["a\x1b]0;PWNED\x07b", "\ud800", "x" * 10_000])
    assert result.notes[:2] == ["a\\x1b]0;PWNED\\x07b", "\\ud800"]
    assert len(result.notes[2]) == MAX_CHARS
