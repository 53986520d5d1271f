"""The table of docs/security.md, made from a run: ``ATTACK_TABLE=docs/security.md bin/lab test
tests/attacks``.
"""

import json
import os
import re
import textwrap
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from .controls import CONTROLS
from .suite import ATTACKS, GROUPS

STOCK = Path(__file__).parent / "stock.json"
TABLE = re.compile(r"(?<=<!-- attacks -->\n).*(?=<!-- end of attacks -->)", re.DOTALL)
HEAD = (
    "| attack | points gained | on stock nbgrader | what stops it | without that |\n"
    "| --- | --- | --- | --- | --- |\n"
)
SHOWN = {
    "gains": "gains points",
    "gets": "gets at it",
    "acts": "acts in the page",
    "misleads": "misleads a reader",
    "harms": "harms",
}


def show(reporter: pytest.TerminalReporter, gained: Mapping[str, float]) -> None:
    """Attack, points gained over an honest hand-in, what stopped it; also into the page that
    ``ATTACK_TABLE`` names.
    """
    page = os.environ.get("ATTACK_TABLE")
    if page:
        write(Path(page), gained)
    reporter.section("attacks: points gained over an honest hand-in, and what stopped it")
    for group, attacks in GROUPS.items():
        for attack in attacks:
            if attack.name in gained:
                reporter.write_line(
                    f"{group:30} {attack.name:62} {gained[attack.name]:+5g}  {attack.stopped_by}"
                )


def write(page: Path, gained: Mapping[str, float]) -> None:
    """Put the table into the page; attacks that this run left out keep their points there."""
    text = page.read_text()
    points = {name: before for name, before, *_ in rows(text)}
    points |= {name: f"{value:g}" for name, value in gained.items()}
    page.write_text(TABLE.sub(lambda _: made(points), text))


def made(points: Mapping[str, str]) -> str:
    """Markdown: how many there are, then a heading and a table for each group."""
    return f"\n{counted()}\n\n" + "\n".join(
        f"**{group}**\n\n{HEAD}"
        + "".join(
            f"| {one.name} | {points.get(one.name, '')} | {_stock(one.name)} | {one.stopped_by}"
            f" | {control_of(one.name)} |\n"
            for one in attacks
        )
        for group, attacks in GROUPS.items()
    )


def rows(page: str) -> Iterator[tuple[str, str, str, str]]:
    """(attack, points gained, what stops it, without that) of each row of the table in the page."""
    for line in TABLE.findall(page)[0].splitlines():
        cells = [part.strip() for part in line.removeprefix("| ").removesuffix(" |").split(" | ")]
        if len(cells) == 5 and cells[0] != "attack" and not cells[0].startswith("---"):
            yield cells[0], cells[1], cells[3], cells[4]


def counted() -> str:
    """How many attacks there are, how many were tried without a defence, and of how many kinds."""
    kinds = {control.defence.name for control in CONTROLS.values()}
    return textwrap.fill(
        f"{len(ATTACKS)} attacks. {len(CONTROLS)} were also made with the line of defence taken out"
        f" that stops them (*without that*); these fall by {len(kinds)} lines: {', '.join(sorted(kinds))}.",
        100,
    )


def control_of(name: str) -> str:
    """What came of an attack when its line of defence was missing."""
    control = CONTROLS.get(name)
    return SHOWN[control.shows] if control else ""


def _stock(name: str) -> str:
    measured = json.loads(STOCK.read_text()).get(name)
    if measured is None:
        return ""
    if measured["gained"] is None:
        return "not graded"
    return f"{measured['gained']:g} of 7" + (", acts in the page" if measured["active"] else "")
