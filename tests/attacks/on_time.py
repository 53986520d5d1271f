"""Attacks on the time limits, which follow the machine's pace: a student who slows the machine, and
one who says that it is slow.
"""

from .attack import Attack
from .on_the_kernel import KEPT, _says

FIRST_TWO = ("total", "web")
SPENT = ("timeout", "out-of-memory", "kernel-died")
MEASURED_ELSEWHERE = "the pace is measured in the checker's container, and has an upper limit"
SLOWED = """
import subprocess, sys
for _ in range(100):
    subprocess.Popen([sys.executable, "-c", "while True: pass"])
busy = "yes > /dev/null & yes > /dev/null & yes > /dev/null"
subprocess.Popen(["docker", "run", "--rm", "busybox", "sh", "-c", busy])
while True:
    pass
"""
FAKED = """
from grader.checks import pace
pace._latest = pace.MOST = 1e9
pace.measured = pace.current = lambda: 1e9
import subprocess, time
time.monotonic = time.perf_counter = lambda: 0.0
subprocess.run = lambda *a, **k: None
while True:
    pass
"""
LATE = """"".join('{"id": %d, "event": "late"}\\n' % number for number in range(1, 90))"""

ATTACKS = [
    Attack(
        "A student who slows the machine to gain time",
        MEASURED_ELSEWHERE,
        SLOWED,
        "file",
        FIRST_TWO,
        reason=SPENT,
        attempts=False,
    ),
    Attack(
        "A pace faked in the student's own process",
        MEASURED_ELSEWHERE,
        FAKED,
        "file",
        FIRST_TWO,
        reason=("timeout",),
        attempts=False,
    ),
    Attack(
        "A message that asks for more time before the time is over",
        KEPT,
        _says(LATE),
        "file",
        FIRST_TWO,
        reason=("kernel-died",),
        attempts=False,
    ),
]
