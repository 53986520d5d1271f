"""The magic `%%shell`: real commands in a notebook, and a failure never goes unseen."""

import argparse
import io
import shlex
from collections.abc import Callable
from typing import Literal, NoReturn

from IPython.core.getipython import get_ipython
from IPython.core.magic import no_var_expand

from lab.notebook.command import TimeLimits, run_script
from lab.notebook.errors import LessonError
from lab.notebook.failure import CommandError, judge
from lab.notebook.output import FoldedOutput, from_home, show

TIMEOUT_SECONDS = 120.0
CAPTURE_BYTES = 10 * 2**20
BASH_SYNTAX = 2  # exit status of a script that bash cannot read
PAUSE_SECONDS = 0.2  # between two tries of what a cell waits for


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise LessonError(
            f"%%shell: {message}.\n{self.format_usage().strip()}\nTry: %shell? explains each"
            " option."
        )


def _status(text: str) -> int | Literal["any"]:
    if text == "any":
        return "any"
    try:
        return int(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is neither a number nor `any`") from None


def _parser() -> _Parser:
    parser = _Parser(prog="%%shell", add_help=False, allow_abbrev=False)
    parser.add_argument("--expect-exit", type=_status, metavar="N")
    parser.add_argument("--timeout", type=float, metavar="S", default=TIMEOUT_SECONDS)
    parser.add_argument("--interrupt-after", type=float, metavar="S")
    parser.add_argument("--stdin", metavar="TEXT")
    parser.add_argument("--tty", action="store_true")
    parser.add_argument("--capture", metavar="NAME")
    parser.add_argument("--until", metavar="COMMAND")
    return parser


@no_var_expand
def shell(line: str, cell: str | None = None) -> None:
    r"""Run commands in bash: `%%shell [OPTIONS]` for a cell, `%shell [OPTIONS] COMMAND` for a line.

    Nothing in the commands is changed on the way: braces, `$` and quotes reach bash as they stand.
    The first command that fails ends the cell (also in a pipe, also an unset variable), and the
    error says which line it was. Output is shown as it comes; over 60 lines it is folded and the
    whole of it kept in a file. Standard input is empty. A process in the background (`… &`)
    outlives the cell.

    --expect-exit N      the failure is the lesson: exactly exit status N must come; `any`: it may
                         fail or not, and nothing is said of it
    --timeout S          end the cell after S seconds (120)
    --interrupt-after S  press Ctrl-C after S seconds, which is no failure: for a foreground `docker
    run`,
                         `docker events`, `docker logs -f`; make it the cell's last command
    --stdin TEXT         what the commands read; \n in TEXT ends a line
    --tty                run on a terminal, for `docker exec -it`; TEXT of --stdin is typed line by
                         line, then Ctrl-D
    --capture NAME       also put standard output into the Python variable NAME (str)
    --until COMMAND      then wait until COMMAND succeeds, tried again and again, within S seconds

    %%shell --expect-exit 125
    docker run --name web -d nginx
    docker run --name web -d nginx
    """
    options, command = _parse(line, with_cell=cell is not None)
    script = command if cell is None else cell
    if not script.strip():
        raise LessonError(
            "This shell cell is empty.\nTry: write commands below %%shell, or behind %shell."
        )
    _run(script, options)


def uncovered(lines: list[str]) -> list[str]:
    r"""The lines of a cell, without comments and blank lines above a cell magic: IPython wants that
    to be the first line.

    >>> uncovered(["# two of them\n", "%%shell\n", "docker ps\n"])
    ['%%shell\n', 'docker ps\n']
    """
    for number, line in enumerate(lines):
        if line.startswith("%%"):
            return lines[number:]
        if line.strip() and not line.lstrip().startswith("#"):
            break
    return lines


def _parse(line: str, with_cell: bool) -> tuple[argparse.Namespace, str]:
    """Split off the options in front; what follows them is a command that must stay as it is."""
    source = io.StringIO(line)
    lexer = shlex.shlex(source, posix=True, punctuation_chars=False)
    lexer.whitespace_split, lexer.commenters = True, ""
    parser = _parser()
    flags = {"--tty"}
    words: list[str] = []
    start = 0
    try:
        while (word := lexer.get_token()) is not None and word.startswith("--"):
            words.append(word)
            if word not in flags and "=" not in word and (value := lexer.get_token()) is not None:
                words[-1] = f"{word}={value}"
            start = source.tell()
    except ValueError as error:
        if with_cell or not words:
            parser.error(f"{str(error).lower()} in {line!r}")
    rest = line[start:]
    if with_cell and rest.strip():
        parser.error(f"{rest.strip()!r} is no option; commands stand on the lines below")
    return _checked(parser, words), rest


def _checked(parser: _Parser, words: list[str]) -> argparse.Namespace:
    options = parser.parse_args(words)
    if options.capture is not None and not options.capture.isidentifier():
        parser.error(f"--capture {options.capture!r} is no name of a Python variable")
    for name in ("timeout", "interrupt_after"):
        seconds = getattr(options, name)
        if seconds is not None and not seconds > 0:
            parser.error(f"--{name.replace('_', '-')} must be more than 0 seconds")
    return options


def _run(script: str, options: argparse.Namespace) -> None:
    shown, captured = FoldedOutput(script), bytearray()

    def output(stream: str, data: bytes) -> None:
        if stream == "stdout" and options.capture and len(captured) <= CAPTURE_BYTES:
            captured.extend(data)
        shown.feed(stream, data)

    limits = TimeLimits(options.timeout, options.interrupt_after)
    stdin = options.stdin.replace("\\n", "\n").rstrip("\n") + "\n" if options.stdin else ""
    try:
        outcome = run_script(
            script,
            output,
            limits,
            stdin=stdin,
            tty=options.tty,
            separate=options.capture is not None and not options.tty,
        )
    finally:
        shown.close()
    if outcome.interrupted:
        show(f"^C (Ctrl-C after {options.interrupt_after:g} s)")
    if outcome.left_behind:
        log = from_home(outcome.left_behind)
        show(f"A process goes on in the background; what it prints comes to {log}")
    remark = judge(outcome, limits, options.expect_exit, shown.ends_with)
    if remark:
        show(remark)
    if options.capture:
        _assign(options.capture, bytes(captured))
    if options.until:
        _wait(options.until, options.timeout)


def _wait(command: str, seconds: float) -> None:
    script = f"until (\n{command}\n) > /dev/null 2>&1; do sleep {PAUSE_SECONDS}; done"
    limits = TimeLimits(seconds)
    outcome = run_script(script, lambda stream, data: None, limits)
    if outcome.stopped == "timeout":
        raise CommandError(
            f"The cell waited for {seconds:g} s, and this did not succeed: {command}\n"
            "Try: run it in a cell of its own to see why; then run this cell again.",
            outcome.status,
        )
    if outcome.status == BASH_SYNTAX and not outcome.stopped:
        raise CommandError(
            f"bash cannot read the command of --until: {command}\n"
            "Try: run it in a cell of its own, which shows what bash says to it.",
            outcome.status,
        )
    judge(outcome, limits, None)


def _assign(name: str, data: bytes) -> None:
    if len(data) > CAPTURE_BYTES:
        raise LessonError(
            f"More than {CAPTURE_BYTES // 2**20} MB were printed.\nTry: > FILE instead of --capture"
            f" {name}."
        )
    ipython: Callable[[], object] = get_ipython
    shell_ = ipython()
    if shell_ is not None:
        shell_.push({name: data.decode(errors="replace")})  # type: ignore[attr-defined]
