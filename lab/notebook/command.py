"""Run one bash script, hand on its output as it comes, and never wait for ever."""

import os
import pty
import selectors
import shlex
import signal
import subprocess
import tempfile
import termios
import time
from collections.abc import Callable
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from lab.notebook.output import background_log
from lab.notebook.typist import Typist

GRACE_SECONDS = 10.0
"""How long a script may take to end after Ctrl-C. Docker gives a container as long between `stop`
and `kill`.
"""

_TICK_SECONDS = 0.05
# Once bash has ended: for what its background processes still say to be a part of the cell.
_LAST_WORDS_SECONDS = 0.5
# What they say later goes to a file, so much of it. The rest is read and dropped: nobody is killed
# by a full file, or by a pipe that nobody reads.
_KEPT_BYTES = 1_000_000
_KEEP = f"head -c {_KEPT_BYTES}; exec cat > /dev/null"
_COLUMNS, _ROWS = 120, 40

# Docker's tools draw progress bars and colours unless they are told that nobody watches a terminal.
_PLAIN_OUTPUT = {
    "BUILDKIT_PROGRESS": "plain",
    "COMPOSE_ANSI": "never",
    "COMPOSE_MENU": "false",
    "COMPOSE_PROGRESS": "plain",
    "DOCKER_CLI_HINTS": "false",
    "GIT_PAGER": "cat",
    "NO_COLOR": "1",
    "PAGER": "cat",
    "TERM": "dumb",
    "COLUMNS": str(_COLUMNS),
}

_REPORT_FAILURE = Path(__file__).with_name("report_failure.bash")
_SIGPIPE_STATUS = 128 + signal.SIGPIPE

Output = Callable[[str, bytes], None]
"""Called with `"stdout"` or `"stderr"` and what was just read."""


@dataclass(frozen=True)
class TimeLimits:
    """Seconds until the script is ended (a failure), and until it is sent Ctrl-C (no failure)."""

    timeout: float
    interrupt_after: float | None = None


@dataclass(frozen=True)
class ScriptOutcome:
    """How a script ended.

    `status` is what a shell would show in `$?` (128 + signal number for a signal). `line` and
    `command` are those of the first command that failed, as bash reports them; `pipe` holds the
    statuses of its pipeline. For a pipe, `command` is the line of the script. `stopped` says why
    the script did not end by itself: `"timeout"`, `"deaf"` (did not react to Ctrl-C) or
    `"interrupt"` (the reader's stop button); `interrupted` that `interrupt_after` was reached.
    `left_behind`: a process in the background goes on, and what it says goes to this file.
    """

    status: int
    line: int | None = None
    command: str = ""
    pipe: tuple[int, ...] = ()
    stopped: str | None = None
    interrupted: bool = False
    left_behind: Path | None = None


def run_script(
    script: str,
    output: Output,
    limits: TimeLimits,
    *,
    stdin: str = "",
    tty: bool = False,
    separate: bool = False,
) -> ScriptOutcome:
    """Run `script` with `bash -euo pipefail` until bash ends; what it left running may go on.

    Standard error comes through `"stdout"`, in order, unless `separate`. After `stdin` the script
    reads end-of-file; with `tty` a person types it.
    """
    with ExitStack() as stack:
        report = stack.enter_context(tempfile.TemporaryFile())
        if tty:
            run = _on_terminal(stack, script, report, stdin)
        else:
            source = stack.enter_context(tempfile.TemporaryFile())
            source.write(stdin.encode())
            source.seek(0)
            run = _on_pipes(stack, script, report, source, separate)
        stopped, interrupted = run.follow(output, limits)
        left = None if stopped or tty else run.leave_behind(script)
        status = run.process.returncode
        line, command, pipe = _first_failure(report)
        if status == _SIGPIPE_STATUS and line is None:  # the last pipe's, and no failure
            status = 0
        if line and len(pipe) > 1:  # bash names only the last command of a pipe
            command = script.splitlines()[line - 1]
    return ScriptOutcome(
        128 - status if status < 0 else status, line, command, pipe, stopped, interrupted, left
    )


def _first_failure(report: IO[bytes]) -> tuple[int | None, str, tuple[int, ...]]:
    report.seek(0)
    line, command, pipe, *_ = [*report.read().decode(errors="replace").split("\0"), "", ""]
    if not line:
        return None, "", ()
    return int(line), command, tuple(int(status) for status in pipe.split())


class _Run:
    """A started script and the ends of what it writes to."""

    def __init__(
        self, process: subprocess.Popen[bytes], ends: dict[int, str], typist: Typist | None
    ) -> None:
        self.process, self.typist = process, typist
        self.selector = selectors.DefaultSelector()
        for fd, name in ends.items():
            os.set_blocking(fd, False)
            self.selector.register(fd, selectors.EVENT_READ, name)

    def follow(self, output: Output, limits: TimeLimits) -> tuple[str | None, bool]:
        """Hand on output until the script ends; why it was stopped, and whether by Ctrl-C."""
        try:
            if limits.interrupt_after is None:
                return (
                    None if self._ends(output, limits.timeout) else self._stop("timeout")
                ), False
            if self._ends(output, limits.interrupt_after):
                return None, False
            self._press_ctrl_c()
            return (None if self._ends(output, GRACE_SECONDS) else self._stop("deaf")), True
        except KeyboardInterrupt:
            return self._stop("interrupt"), False
        except BaseException:
            self._stop("error")
            raise

    def _ends(self, output: Output, seconds: float) -> bool:
        deadline = time.monotonic() + seconds
        while self.process.poll() is None:
            if time.monotonic() > deadline:
                return False
            self._read(output, _TICK_SECONDS)
        # A process left in the background keeps the pipe open: take what is there, do not wait for
        # its end.
        deadline = time.monotonic() + _LAST_WORDS_SECONDS
        while self._read(output, _TICK_SECONDS) and time.monotonic() < deadline:
            pass
        return True

    def leave_behind(self, script: str) -> Path | None:
        """Let somebody else hear what is still said, into a file; None where all is silent."""
        heard = [key.fd for key in self.selector.get_map().values()]
        if not heard:
            return None
        log = background_log(script)
        for fd in heard:
            os.set_blocking(fd, True)
            with log.open("ab") as kept:
                subprocess.Popen(
                    ["sh", "-c", _KEEP],
                    stdin=fd,
                    stdout=kept,
                    stderr=subprocess.DEVNULL,
                    start_new_session=True,
                )
        return log

    def _read(self, output: Output, seconds: float) -> bool:
        if not self.selector.get_map():
            with suppress(subprocess.TimeoutExpired):
                self.process.wait(seconds)
            return False
        ready = self.selector.select(seconds)
        for key, _ in ready:
            data = _read_some(key.fd)
            if data:
                output(key.data, data)
            else:
                self.selector.unregister(key.fd)
            if self.typist:
                self.typist.saw(data)
        if self.typist:
            self.typist.type_when_quiet()
        return bool(ready)

    def _press_ctrl_c(self) -> None:
        if self.typist:
            self.typist.press_ctrl_c()
        else:
            self._signal(signal.SIGINT)

    def _stop(self, reason: str) -> str:
        """End the whole process group: politely, then for good."""
        for number in (signal.SIGINT if reason == "interrupt" else signal.SIGTERM, signal.SIGKILL):
            self._signal(number)
            try:
                self.process.wait(2)
                break
            except subprocess.TimeoutExpired:
                continue
        self._signal(signal.SIGKILL)
        return reason

    def _signal(self, number: int) -> None:
        with suppress(ProcessLookupError):  # all of it has ended
            os.killpg(self.process.pid, number)


def _read_some(fd: int) -> bytes:
    try:
        return os.read(fd, 65536)
    except OSError:  # the other end of a pseudo-terminal is closed
        return b""


def _on_pipes(
    stack: ExitStack, script: str, report: IO[bytes], stdin: IO[bytes], separate: bool
) -> _Run:
    process = _bash(
        script, report, stdin, subprocess.PIPE, subprocess.PIPE if separate else subprocess.STDOUT
    )
    streams = {"stdout": process.stdout, "stderr": process.stderr}
    ends = {
        stack.enter_context(stream).fileno(): name for name, stream in streams.items() if stream
    }
    return _Run(process, ends, None)


def _on_terminal(stack: ExitStack, script: str, report: IO[bytes], typed: str) -> _Run:
    ours, theirs = pty.openpty()
    stack.callback(os.close, ours)
    termios.tcsetwinsize(ours, (_ROWS, _COLUMNS))
    # A session's leader gets its controlling terminal by opening it.
    script = f'exec <"{os.ttyname(theirs)}"; {script}'
    process = _bash(script, report, theirs, theirs, theirs)
    os.close(theirs)
    return _Run(process, {ours: "stdout"}, Typist(ours, typed))


def _bash(
    script: str, report: IO[bytes], stdin: int | IO[bytes], stdout: int, stderr: int
) -> subprocess.Popen[bytes]:
    # On the script's first line, so that bash still counts lines as the reader does.
    prefix = f"__report_fd={report.fileno()}; source {shlex.quote(str(_REPORT_FAILURE))}; "
    return subprocess.Popen(
        ["bash", "-ETeuo", "pipefail", "-c", prefix + script, "cell"],
        stdin=stdin,
        stdout=stdout,
        stderr=stderr,
        env={**os.environ, **_PLAIN_OUTPUT},
        start_new_session=True,
        pass_fds=(report.fileno(),),
    )
