"""The pytest plugin that makes whole runs go by turns: ``bin/lab test``, ``--plan``, ``--all``.

The selection is made from `Facts` alone, which the first process finds out and gives to each xdist
worker. A run of tests that are named (paths, -k, -m) takes all of them.
"""

import pickle
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from . import summary
from .again import Again, Failures
from .history import History, NoHistoryError
from .items import Item
from .ledger import Ledger
from .proved import load
from .turns import Facts, Mode, Plan, plan, standings

Charge = Callable[[Mapping[Item, float]], None]


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("suite", "a suite that fits (tests/suite)")
    group.addoption(
        "--all",
        action="store_true",
        help="run everything, go on where it was, write tests/proved.json",
    )
    group.addoption(
        "--plan", action="store_true", help="print what the run takes and why, and run nothing"
    )
    group.addoption(
        "--shots",
        metavar="DIR",
        type=Path,
        help="run the tests that take pictures for the docs, which go into this folder",
    )


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line(
        "markers", "proves(*items): the items (tests/suite/items.py) that the test proves"
    )
    config.pluginmanager.register(Suite(config), "suite")


class Suite:
    """One process of a run: the first one, or a worker of xdist's."""

    def __init__(self, config: pytest.Config) -> None:
        self.config = config
        self.start = time.monotonic()
        self.plan: Plan | None = None
        self.running: pytest.Item | None = None
        self.ledger: Ledger | None = None
        self.failures = Failures()
        self.again: Again | None = None
        given = getattr(config, "workerinput", {}).get("suite")
        self.facts: Facts = pickle.loads(given) if given else _facts(config)
        if self.facts.mode == "all" and not given and not config.option.plan:
            self.ledger = Ledger(History(config.rootpath), _partly_collected(config))
        if config.option.plan:  # xdist decides by these, after this
            config.option.dist, config.option.tx = "no", []

    def pytest_report_header(self) -> list[str]:
        return summary.header(self.facts, self.ledger)

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Leave the tests of all items but those of the plan to other runs."""
        proved = {test: _proved_by(test, self.config.rootpath) for test in items}
        tests = Counter(item for found in proved.values() for item in found)
        for test, found in proved.items():
            test.user_properties.append(("proves", {str(item): tests[item] for item in found}))
        if self.facts.mode == "named":
            left = [
                test
                for test in items
                if self._asked_for_too_little(test, proved[test]) or self._takes_none(test)
            ]
            self.config.hook.pytest_deselected(items=left)
            items[:] = [test for test in items if test not in set(left)]
            return
        known = standings(tests, self.facts, History(self.config.rootpath))
        self.plan = plan(tests, known, self.facts)
        taken = set() if self.config.option.plan else set(self.plan.taken)
        kept = [test for test in items if not taken.isdisjoint(proved[test])]
        self.config.hook.pytest_deselected(items=[test for test in items if test not in set(kept)])
        items[:] = sorted(kept, key=lambda test: _only_with_all(proved[test]))  # the longest last

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """With ``--all``, paths and ``-k`` may leave less than was planned."""
        if self.plan and self.facts.mode == "all" and not self.config.option.plan:
            here = {
                item for test in session.items for item in _proved_by(test, self.config.rootpath)
            }
            taken = {item: why for item, why in self.plan.taken.items() if item in here}
            self.plan = replace(self.plan, taken=taken)

    def _asked_for_too_little(self, test: pytest.Item, proved: list[Item]) -> bool:
        """What belongs to ``--all`` takes long: without it, only naming its folder runs it."""
        folder = test.path.parent.name
        return _only_with_all(proved) and not any(folder in one for one in self.config.args)

    def _takes_none(self, test: pytest.Item) -> bool:
        """Whether pictures are wanted, and this test takes none."""
        return bool(self.config.option.shots) and "shots" not in getattr(test, "fixturenames", ())

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_setup(self, item: pytest.Item) -> None:
        self.running = item

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self.failures.add(report)
        if self.ledger:
            self.ledger.add(report)

    @pytest.hookimpl(optionalhook=True)
    def pytest_configure_node(self, node: Any) -> None:
        node.workerinput["suite"] = pickle.dumps(self.facts)

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any) -> None:
        """Each worker has made the same plan; this process has none, as it collects nothing."""
        if sent := getattr(node, "workeroutput", {}).get("suite"):
            self.plan = pickle.loads(sent)

    @pytest.hookimpl(trylast=True)  # the workers have left, and their labs are gone
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        if self._tries_again(session):
            self.again = self.failures.tried_again(self.config)
            if self.again and self.again.passed:
                session.exitstatus = pytest.ExitCode.OK
        if hasattr(self.config, "workeroutput"):
            self.config.workeroutput["suite"] = pickle.dumps(self.plan)
        if self.plan and session.exitstatus == pytest.ExitCode.NO_TESTS_COLLECTED:
            if self.config.option.plan:
                fits = summary.fits(self.plan, self.facts)
                session.exitstatus = pytest.ExitCode.OK if fits else pytest.ExitCode.TESTS_FAILED
            elif self.plan.left and not self.plan.taken:  # all was green before
                session.exitstatus = pytest.ExitCode.OK

    def _tries_again(self, session: pytest.Session) -> bool:
        first = not hasattr(self.config, "workeroutput")
        red = session.exitstatus == pytest.ExitCode.TESTS_FAILED
        return first and red and self.facts.mode == "turns" and not self.config.option.plan

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        if not self.plan:
            return
        terminalreporter.section("by turns" if self.facts.mode == "turns" else "everything")
        seconds = None if self.config.option.plan else time.monotonic() - self.start
        for line in summary.lines(self.plan, self.facts, self.ledger, seconds):
            terminalreporter.write_line(line)
        if self.again:
            terminalreporter.section("tried again")
            for line in self.again.lines():
                terminalreporter.write_line(line)


@pytest.fixture(scope="session")
def charge(pytestconfig: pytest.Config) -> Charge:
    """For a fixture that works for many items at once: says how many of its seconds were whose."""

    def to(seconds: Mapping[Item, float]) -> None:
        suite = pytestconfig.pluginmanager.get_plugin("suite")
        assert isinstance(suite, Suite)
        assert suite.running
        suite.running.user_properties.append(
            ("charged", {str(item): spent for item, spent in seconds.items()})
        )

    return to


@pytest.fixture
def shots(pytestconfig: pytest.Config) -> Path | None:
    """The folder where a test puts its pictures for the docs; None where none are wanted."""
    given: Path | None = pytestconfig.option.shots
    if given is None:
        return None
    folder = pytestconfig.rootpath / given
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def chosen(session: pytest.Session) -> set[str]:
    """The items that this run takes, by name: a fixture that works for many leaves out all others.

    A test that proves many items chooses none: it is about whichever are there.
    """
    proved = [_proved_by(test, session.config.rootpath) for test in session.items]
    return {str(found[0]) for found in proved if len(found) == 1}


def _proved_by(test: pytest.Item, root: Path) -> list[Item]:
    named = [item for mark in test.iter_markers("proves") for item in mark.args]
    return named or [Item("file", test.path.relative_to(root).as_posix())]


def _only_with_all(proved: list[Item]) -> bool:
    return all(item.turn == "all only" for item in proved)


def _facts(config: pytest.Config) -> Facts:
    workers = getattr(config.option, "numprocesses", None) or 1
    facts = Facts(_mode(config), workers, 0, [], {})
    if facts.mode == "named":
        if config.option.plan:
            raise pytest.UsageError(
                "--plan is of a whole run. Try: bin/lab test --plan, without names and choices"
            )
        return facts
    try:
        history = History(config.rootpath)
        return replace(
            facts,
            commits=len(history.commits),
            changed=history.changed(),
            proofs=load(config.rootpath),
        )
    except NoHistoryError as error:
        raise pytest.UsageError(str(error)) from None


def _mode(config: pytest.Config) -> Mode:
    """Whoever names tests gets all that were named."""
    if config.option.all:
        return "all"
    choices = ("keyword", "markexpr", "deselect", "lf", "shots")
    whole = config.args_source == pytest.Config.ArgsSource.TESTPATHS
    return "turns" if whole and not any(config.getoption(one, None) for one in choices) else "named"


def _partly_collected(config: pytest.Config) -> str:
    """Why it cannot be known when an item is complete: some of its tests are not collected."""
    partly = config.getoption("lf", None) or any("::" in argument for argument in config.args)
    return "single tests were named (name files, or choose with -k)" if partly else ""
