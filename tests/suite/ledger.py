"""Writes ``tests/proved.json`` during ``--all``: an item as soon as all its tests were green."""

from collections import defaultdict
from typing import cast

import pytest

from .history import History
from .items import digest
from .proved import Proof, load, save


class Ledger:
    """Reads the reports of tests. ``refused`` says why nothing was written, if so."""

    def __init__(self, history: History, refused: str = "") -> None:
        self.history = history
        self.refused = refused or _unclean(history)
        self.written: set[str] = set()
        self._seconds: defaultdict[str, float] = defaultdict(float)  # of tests, then of items
        self._red: set[str] = set()
        self._green: defaultdict[str, set[str]] = defaultdict(set)

    def add(self, report: pytest.TestReport) -> None:
        """Take in a report of one phase of a test; the last of its three completes it."""
        self._seconds[report.nodeid] += report.duration
        if not (report.passed or hasattr(report, "wasxfail")):
            self._red.add(report.nodeid)
        if report.when == "teardown":
            self._complete(report)

    def _complete(self, report: pytest.TestReport) -> None:
        proves: dict[str, int] = {}  # how many tests each item of this one has
        own = self._seconds.pop(report.nodeid)
        for key, value in report.user_properties:
            if key == "proves":
                proves = cast(dict[str, int], value)
            elif key == "charged":
                for item, seconds in cast(dict[str, float], value).items():
                    self._seconds[item] += seconds
                    own -= seconds
        for item, tests in proves.items():
            self._seconds[item] += max(own, 0.0) / len(proves)
            if report.nodeid not in self._red:
                self._green[item].add(report.nodeid)
                if len(self._green[item]) == tests:
                    self._write(item)

    def _write(self, item: str) -> None:
        """A proof names a commit, so that commit must hold what was proved."""
        self.refused = self.refused or _unclean(self.history)
        found = digest(item, self.history.tree(self.history.head))
        if self.refused or not found:
            return
        proof = Proof(found, self.history.head, round(self._seconds[item], 2))
        save(self.history.root, load(self.history.root) | {item: proof})
        self.written.add(item)


def _unclean(history: History) -> str:
    """Why a green test proves nothing about a commit."""
    if history.moved_on():
        return "HEAD has become another commit during the run"
    if changed := history.changed():
        more = f" and {len(changed) - 3} more" if len(changed) > 3 else ""
        return f"not committed: {', '.join(changed[:3])}{more}"
    return ""
