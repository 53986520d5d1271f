"""What a test draws is remembered, in a process of its own: the checker's kernel."""

import subprocess
import sys


def said(code: str) -> str:
    watched = (
        f"from grader.checks import drawn; drawn.watch()\n{code}\nprint(drawn.values() == expected,"
        " drawn.values())"
    )
    return subprocess.run(
        [sys.executable, "-c", watched], capture_output=True, text=True, check=True
    ).stdout


def test_numbers_and_tokens_are_remembered_the_longest_first() -> None:
    drawing = (
        "from random import randint\nfrom secrets import token_hex\nexpected = [token_hex(8),"
        " str(randint(1000, 9999))]"
    )
    assert said(drawing).startswith("True")


def test_what_is_in_every_message_is_not() -> None:
    assert said("from random import randint\nrandint(1, 99)\nexpected = []").startswith("True")
