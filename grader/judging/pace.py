"""Time limits that follow the pace of a sandbox's machine (``grader.checks.pace``)."""

import time
from collections.abc import Callable

from grader.checks.pace import MOST, measured
from grader.judging.inputs import CheckNotMadeError, json_expression, value_of
from grader.sandbox.interface import INTERRUPT_SECONDS, CheckerKernel

QUICK_SECONDS = 10.0  # reading and setting variables
LOAD_SECONDS = 60.0  # loading the checks, measuring the pace
# An idle machine loads the checks in half of it. One that needs more has its pace measured before
# any of the student's code runs.
BRISK_SECONDS = 1.2
MEASURED_AGAIN_SECONDS = 30.0
LEAST_SECONDS = 0.1  # of a cell that begins
# A checker's kernel remembers what its tests draw, and is alone in the cluster while they run.
LOAD = (
    "from grader.checks import drawn as _drawn, exclusive as _exclusive, pace as _pace\n"
    "_drawn.watch(); _exclusive.watch()"
)


class Pace:
    """The pace of one sandbox's machine, as the checker's container feels it: the processor time of
    that container is its own, and no code of the student's runs in it.
    """

    def __init__(self, measure: Callable[[], float]) -> None:
        self._measure = measure
        self._measured_at = time.monotonic()
        self._value = 1.0

    def of(self, seconds: float) -> float:
        """What a limit comes to now."""
        return seconds * self._value

    def measure(self) -> float:
        """How many times longer than on an idle machine everything takes now."""
        self._value = self._measure()
        self._measured_at = time.monotonic()
        return self._value

    def follow(self) -> None:
        """Before something with a limit begins: during a long submission the load may change."""
        if time.monotonic() - self._measured_at > MEASURED_AGAIN_SECONDS:
            self.measure()

    def limit(self, seconds: float, most: Callable[[], float]) -> "CellTime":
        """The time of a student's cell that begins now; ``most`` says how many seconds there still
        are, whatever the pace.
        """
        return CellTime(self, seconds, self.measure, most)

    def limit_of_ours(self, seconds: float, most: Callable[[], float]) -> "CellTime":
        """The time of a cell of ours that begins now. While it runs, the checker's kernel cannot
        measure; the driver can.
        """
        return CellTime(self, seconds, lambda: max(self._value, measured()), most)


class CellTime:
    """The time of one cell: longer when it is over and the machine turns out to be slow.

    ``seconds`` are those that it has in all, ``grace`` those from its interrupt to its end.
    """

    def __init__(
        self, pace: Pace, nominal: float, measure: Callable[[], float], most: Callable[[], float]
    ) -> None:
        self._measure, self._most = measure, most
        self._nominal = nominal
        self._pace = pace.of(1.0)
        self.seconds = max(min(pace.of(nominal), most()), LEAST_SECONDS)
        self.grace = pace.of(INTERRUPT_SECONDS)

    def extend(self) -> float:
        """How many more seconds there are, once these are over."""
        self._pace = self._measure()
        more = min(max(self._nominal * self._pace - self.seconds, 0.0), self._most())
        self.seconds += more
        return more

    def nominal(self, took: float) -> float:
        """The seconds that an idle machine would have needed for what took so long."""
        return took / self._pace


def measure_pace(kernel: CheckerKernel) -> float:
    """What the checker's kernel measures."""
    asked = {"pace": json_expression("_pace.measured()")}
    claims = kernel.run("", LOAD_SECONDS, silent=True, expressions=asked)
    try:
        pace = float(value_of(claims.expressions.get("pace")))
        if not 1 <= pace <= MOST:
            raise ValueError(f"a pace of {pace}")
    except ValueError as error:
        raise CheckNotMadeError(f"The pace of the machine was not measured: {error}") from error
    return pace
