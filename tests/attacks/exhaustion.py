"""Attacks that use up what others need: processes, memory, disk, output, time."""

from .attack import EVERYTHING, Attack

FIRST_TWO = ("total", "web")
BOMBED = ("timeout", "out-of-memory", "kernel-died")
FORK = """
import os
while True:
    try:
        os.fork()
    except OSError:
        pass
"""
SHELL_FORK = """
import subprocess
try:
    subprocess.run(["bash", "-c", ":(){ :|:& };:"], timeout=3, capture_output=True)
except subprocess.TimeoutExpired:
    pass
"""
MEMORY = "hoard = [bytearray(1 << 27) for _ in range(32)]"
MEMORY_INSIDE = """
import subprocess
subprocess.run(["docker", "run", "--rm", "busybox", "tail", "/dev/zero"], capture_output=True, timeout=20)
"""
DISK = """
import os
for folder in (".", "/tmp", os.path.expanduser("~"), "/dev/shm"):
    try:
        with open(f"{folder}/big", "wb") as big:
            while True:
                big.write(b"x" * (1 << 20))
    except OSError:
        pass
"""
ENGINE_DISK = """
import subprocess
subprocess.run(["docker", "run", "-d", "--name", "filler", "busybox", "sh", "-c", "dd if=/dev/zero of=/big bs=1M; exec sleep 600"], check=True)
subprocess.run(["docker", "exec", "filler", "sh", "-c", "while pidof dd; do sleep 0.2; done"], capture_output=True, timeout=7)
"""
CHATTY = """
import subprocess
subprocess.run(["docker", "run", "-d", "--name", "chatty", "busybox", "yes"], check=True)
"""
MANY = """
import subprocess
for number in range(300):
    if subprocess.run(["docker", "create", "busybox", "true"], capture_output=True).returncode:
        break
"""
STUBBORN = "import signal\nsignal.signal(signal.SIGINT, signal.SIG_IGN)\nwhile True: pass"
SILENT_SERVER = """
import subprocess
subprocess.run(["docker", "run", "-d", "--name", "web", "-p", "8080:80", "busybox", "nc", "-lk", "-p", "80", "-e", "sleep", "600"], check=True)
"""
DRIP = """
import subprocess
drip = "printf 'HTTP/1.1 200 OK\\r\\n'; while true; do printf x; sleep 1; done"
subprocess.run(["docker", "run", "-d", "--name", "web", "-p", "8080:80", "busybox", "nc", "-lk", "-p", "80", "-e", "sh", "-c", drip], check=True)
"""
ENDLESS_PROGRAM = """
import subprocess
serve = "mkdir /www; echo Welcome > /www/index.html; exec httpd -f -h /www"
subprocess.run(["docker", "run", "-d", "--name", "web", "-p", "8080:80", "busybox", "sh", "-c", serve], check=True)
trap = 'rm /bin/sh; printf "#!/bin/busybox yes\\n" > /bin/sh; chmod +x /bin/sh'
subprocess.run(["docker", "exec", "web", "sh", "-c", trap], check=True)
"""
HANGING_ENTRYPOINT = """
import subprocess
dockerfile = b'FROM busybox\\nENTRYPOINT ["sleep", "600"]\\n'
subprocess.run(["docker", "build", "-t", "hangs", "-"], input=dockerfile, check=True, capture_output=True)
subprocess.run(["docker", "run", "-d", "--name", "web", "-p", "8080:80", "hangs"], check=False, capture_output=True)
"""

ATTACKS = [
    Attack(
        "A fork bomb",
        "limits of processes and of processor time",
        FORK,
        "file",
        FIRST_TWO,
        reason=BOMBED,
        attempts=False,
    ),
    Attack(
        "A fork bomb of shells",
        "limits of processes and of processor time",
        SHELL_FORK,
        "file",
        FIRST_TWO,
        reason=(None, *BOMBED),
        attempts=False,
    ),
    Attack(
        "A memory bomb",
        "a limit of memory",
        MEMORY,
        "file",
        FIRST_TWO,
        reason=("out-of-memory",),
        attempts=False,
    ),
    Attack(
        "A memory bomb in a container",
        "a limit of memory",
        MEMORY_INSIDE,
        "file",
        FIRST_TWO,
        reason=(None, "out-of-memory", "timeout"),
    ),
    Attack(
        "The work folder, /tmp and home filled",
        "file systems of fixed size",
        DISK,
        "file",
        FIRST_TWO,
    ),
    Attack(
        "The engine's disk filled",
        "file systems of fixed size",
        ENGINE_DISK,
        answers=("total", "file"),
    ),
    Attack(
        "A container that never stops logging",
        "file systems of fixed size",
        CHATTY,
        "file",
        EVERYTHING,
    ),
    Attack(
        "Hundreds of containers",
        "limits of disk and time",
        MANY,
        "file",
        FIRST_TWO,
        reason=(None, "timeout"),
        attempts=False,
    ),
    Attack(
        "Endless output",
        "a cell's output is cut, its time is limited",
        "while True: print('x' * 10_000)",
        "file",
        FIRST_TWO,
        reason=BOMBED,
        attempts=False,
    ),
    Attack(
        "An endless loop",
        "a cell's time is limited",
        "while True: pass",
        "file",
        FIRST_TWO,
        reason=("timeout",),
        attempts=False,
    ),
    Attack(
        "An endless loop that ignores its interrupt",
        "the kernel is ended",
        STUBBORN,
        "file",
        FIRST_TWO,
        reason=("timeout",),
        attempts=False,
    ),
    Attack("A server that never answers a test", "checks have deadlines", SILENT_SERVER, "web"),
    Attack("A server that drips one byte a second", "checks have deadlines", DRIP, "web"),
    Attack(
        "A program that a test runs and that never stops printing",
        "checks have deadlines and caps",
        ENDLESS_PROGRAM,
        "web",
        earns=("web-test",),
        says={"web-page-test": "had not ended"},
    ),
    Attack("An entrypoint that hangs", "checks have deadlines", HANGING_ENTRYPOINT, "web"),
]
