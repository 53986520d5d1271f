"""What a command printed, as a notebook shows it: whole lines, live, long output folded."""

import hashlib
import os
import re
import sys
import tempfile
from collections import deque
from contextlib import suppress
from itertools import count
from pathlib import Path
from typing import IO

HEAD_LINES, TAIL_LINES = 45, 15
"""Longer output than both together is folded: so many lines of its beginning and of its end are
shown.
"""

LINE_CHARACTERS = 10_000
"""The rest of a longer line is left out, here and in the log."""

LOG_BYTES = 16 * 2**20
"""The log of one cell ends here."""

_ESCAPES = re.compile(r"\x1b(\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(\x07|\x1b\\)|[ -/]*[0-~])")
_BACKSPACED = re.compile(r"[^\b]\b")


class FoldedOutput:
    """Prints what it is fed, as whole lines on standard output.

    Of a line that was drawn over (carriage return: a progress bar) the last state is shown; colours
    and other escape sequences are dropped. Memory stays small whatever comes. `name` names the log:
    the same cell overwrites its own.
    """

    def __init__(self, name: str) -> None:
        self._name = hashlib.sha256(name.encode()).hexdigest()[:8]
        self._unfinished: dict[str, bytes] = {}
        self._count = 0
        self._head: list[str] = []
        self._tail: deque[str] = deque(maxlen=TAIL_LINES)
        self._log: IO[str] | None = None

    def feed(self, stream: str, data: bytes) -> None:
        """Show the lines that `data` completes in `stream`."""
        *lines, rest = (self._unfinished.get(stream, b"") + data).split(b"\n")
        for line in lines:
            self._add(plain(line))
        # Of an endless line only the beginning is kept, and what was drawn last.
        if len(rest) > 2 * LINE_CHARACTERS:
            rest = rest[:LINE_CHARACTERS] + rest[-LINE_CHARACTERS:]
        self._unfinished[stream] = rest
        sys.stdout.flush()

    def close(self) -> None:
        """Show what was held back: an unfinished line, the end of folded output and where it is."""
        for rest in filter(None, self._unfinished.values()):
            self._add(plain(rest))
        self._unfinished.clear()
        folded = self._count - HEAD_LINES - len(self._tail)
        if self._log:
            self._log.close()
            show(
                f"... {folded} lines folded; all {self._count} are in"
                f" {from_home(Path(self._log.name))}"
            )
        for line in self._tail:
            show(line)

    @property
    def ends_with(self) -> str:
        """The last lines."""
        return "\n".join((*self._head[-TAIL_LINES:], *self._tail))

    def _add(self, line: str) -> None:
        self._count += 1
        if self._count <= HEAD_LINES:
            self._head.append(line)
            show(line)
            return
        if self._count == HEAD_LINES + TAIL_LINES + 1:
            self._log = _open_log(self._name)
            self._log.writelines(f"{each}\n" for each in (*self._head, *self._tail))
        self._tail.append(line)
        if self._log and self._log.tell() < LOG_BYTES:
            self._log.write(f"{line}\n")


def show(line: str) -> None:
    """Print a whole line at once: two processes never share one."""
    sys.stdout.write(f"{line}\n")


def plain(line: bytes) -> str:
    r"""One line as it would stand on a terminal in the end.

    >>> plain(b"10%\r 55%\r100% \x1b[32mdone\x1b[0m\r")
    '100% done'
    """
    text = _ESCAPES.sub("", line.decode(errors="replace")).rstrip("\r").rsplit("\r", 1)[-1]
    while "\b" in text and (shorter := _BACKSPACED.sub("", text).lstrip("\b")) != text:
        text = shorter
    text = "".join(c for c in text if c.isprintable() or c == "\t")
    return text if len(text) <= LINE_CHARACTERS else text[:LINE_CHARACTERS] + " ..."


def _open_log(name: str) -> IO[str]:
    return (_folder() / f"cell-{name}.log").open("w", encoding="utf-8")


def background_log(script: str) -> Path:
    """A new file for what the background processes of a script say, also where another notebook
    runs the same script at the same time.
    """
    name = hashlib.sha256(script.encode()).hexdigest()[:8]
    folder = _folder()
    for number in count(1):
        path = folder / f"background-{name}-{number}.log"
        with suppress(FileExistsError):
            path.touch(exist_ok=False)
            return path
    raise AssertionError("there is a further number")


def _folder() -> Path:
    home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    for folder in (home / "lab", Path(tempfile.gettempdir()) / f"lab-{os.getuid()}"):
        with suppress(OSError):
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            if os.access(folder, os.W_OK):
                return folder
    raise OSError(
        f"No folder takes the log of this cell: neither {home} nor {tempfile.gettempdir()} is"
        " writable."
    )


def from_home(path: Path) -> str:
    """A path as a shell would take it."""
    try:
        return f"~/{path.relative_to(Path.home())}"
    except ValueError:
        return str(path)
