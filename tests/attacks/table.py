"""The table of docs/security.md, made from a run: ``ATTACK_TABLE=docs/security.md bin/lab test
tests/attacks``.
"""

import json
import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from .suite import ATTACKS, GROUPS

STOCK = Path(__file__).parent / "stock.json"
TABLE = re.compile(r"(?<=<!-- attacks -->\n).*(?=<!-- end of attacks -->)", re.DOTALL)
HEAD = "| attack | points gained | on stock nbgrader | what stops it |\n| --- | --- | --- | --- |\n"


def show(reporter: pytest.TerminalReporter, gained: Mapping[str, float]) -> None:
    """Attack, points gained over an honest hand-in, what stopped it; also into the page that
    ``ATTACK_TABLE`` names.
    """
    page = os.environ.get("ATTACK_TABLE")
    if page and len(gained) == len(ATTACKS):
        write(Path(page), gained)
    reporter.section("attacks: points gained over an honest hand-in, and what stopped it")
    for group, attacks in GROUPS.items():
        for attack in attacks:
            if attack.name in gained:
                reporter.write_line(
                    f"{group:30} {attack.name:62} {gained[attack.name]:+5g}  {attack.stopped_by}"
                )


def write(page: Path, gained: Mapping[str, float]) -> None:
    """Put the table of a whole run into the page."""
    page.write_text(TABLE.sub(lambda _: made(gained), page.read_text()))


def made(gained: Mapping[str, float]) -> str:
    """Markdown: a heading and a table for each group."""
    return "\n" + "\n".join(
        f"**{group}**\n\n{HEAD}"
        + "".join(
            f"| {one.name} | {gained[one.name]:g} | {_stock(one.name)} | {one.stopped_by} |\n"
            for one in attacks
        )
        for group, attacks in GROUPS.items()
    )


def rows(page: str) -> Iterator[tuple[str, str]]:
    """(attack, what stops it) of each row of the table in the page."""
    for line in TABLE.findall(page)[0].splitlines():
        cells = [part.strip() for part in line.strip("| ").split(" | ")]
        if len(cells) == 4 and cells[0] != "attack" and not cells[0].startswith("---"):
            yield cells[0], cells[3]


def _stock(name: str) -> str:
    measured = json.loads(STOCK.read_text()).get(name)
    if measured is None:
        return ""
    if measured["gained"] is None:
        return "not graded"
    return f"{measured['gained']:g} of 7" + (", acts in the page" if measured["active"] else "")
