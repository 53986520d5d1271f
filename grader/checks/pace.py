"""How slowly the machine works now, so that no deadline asks more of it than it can do.

A fixed job (a process that starts and counts) is timed. Twice the usual seconds mean twice the time
for whatever has a limit. Nothing is measured before a limit is reached, or about to be set on a
machine that seems slow: on an idle machine the measuring costs nothing, and no limit is longer.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import time

JOB = "n = 0\nfor i in range(1_000_000):\n    n += i & 7"
# The least of 25 runs on two slow processors was 0.097 s. Half as much again is room for what works
# beside the job: a student's kernel and engine.
REFERENCE_SECONDS = 0.15
# Nobody waits for ever: also the longest time that a submission can take is this many times longer.
MOST = 4.0

_latest = 1.0


def current() -> float:
    """The pace as it was last measured: 1.0 on a machine with time to spare, 2.0 where all takes
    twice as long, at most `MOST`.
    """
    return _latest


def measured() -> float:
    """The pace now; `current` has it from then on.

    The median of three, since one run may meet a moment; the first is enough on a machine that is
    not slow.
    """
    global _latest
    times = [_timed()]
    if times[0] > REFERENCE_SECONDS:
        times += [_timed(), _timed()]
    _latest = min(max(statistics.median(times) / REFERENCE_SECONDS, 1.0), MOST)
    return _latest


def _timed() -> float:
    """The seconds of one job; `REFERENCE_SECONDS` where no further process can be started, since
    that says nothing about the machine.
    """
    began = time.perf_counter()
    try:
        subprocess.run(
            [sys.executable, "-I", "-S", "-c", JOB],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd="/",
            env={},
            timeout=MOST * REFERENCE_SECONDS,
        )
    except subprocess.TimeoutExpired:
        return MOST * REFERENCE_SECONDS
    except OSError:
        return REFERENCE_SECONDS
    return time.perf_counter() - began
