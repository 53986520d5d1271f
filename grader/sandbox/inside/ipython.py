"""IPython as a notebook's kernel sets it up, without a kernel's sockets: cells come from the relay,
and what they show goes back to it.

A quarter of the memory and half of the start-up time of a full Jupyter kernel
(docs/performance.md). Cells behave as in JupyterLab: top-level ``await`` in a running event loop,
rich displays, magics, figures, tracebacks.

One line of JSON each way over ``control``. From the relay: ``{"code": str, "silent": bool,
"expressions": {name: code}}``. To the relay: ``{"event": "ready"}`` once; ``{"event": "output",
"shown": true, "output": {...}}``, which the relay answers with an empty line, so that what is shown
and what is printed stay in order; ``{"event": "done", "status", "error", "expressions"}``. Plain
text goes to file descriptors 1 and 2.
"""

import asyncio
import base64
import io
import json
import os
import signal
import socket
import sys
import threading
from typing import Any

from IPython.core.displayhook import DisplayHook
from IPython.core.displaypub import DisplayPublisher
from IPython.core.interactiveshell import ExecutionResult, InteractiveShell
from IPython.core.page import as_hook, display_page
from traitlets import Bool, Type
from traitlets.config import Config

from grader.sandbox.inside import surroundings as surroundings  # before any code of a student's

ENVIRONMENT = {  # as a Jupyter kernel's
    "TERM": "xterm-color",
    "CLICOLOR": "1",
    "FORCE_COLOR": "1",
    "CLICOLOR_FORCE": "1",
    "PAGER": "cat",
    "GIT_PAGER": "cat",
    "MPLBACKEND": "module://matplotlib_inline.backend_inline",
}


class Control:
    """The line to the relay."""

    def __init__(self, connected: socket.socket) -> None:
        self._socket = connected
        self._file = connected.makefile("rwb")
        self._lock = threading.Lock()

    def fileno(self) -> int:
        return self._socket.fileno()

    def send(self, **message: Any) -> None:
        self._file.write(json.dumps(message, default=_plain).encode() + b"\n")
        self._file.flush()

    def receive(self) -> dict[str, Any]:
        """The next message; EOFError when there will be none."""
        if not (line := self._file.readline()):
            raise EOFError
        return dict(json.loads(line))

    def show(self, **output: Any) -> None:
        """Give one of a notebook's outputs to the relay and wait until it has it."""
        sys.stdout.flush()
        with self._lock:
            self.send(event="output", shown=True, output=output)
            self._file.readline()


def _plain(value: object) -> str:
    """Pictures as a notebook holds them, the ``repr`` of what JSON has no form for."""
    return base64.b64encode(value).decode() if isinstance(value, bytes) else repr(value)


class Stderr(io.TextIOBase):
    """``sys.stderr``, in order with what is printed; in a fork the plain descriptor."""

    encoding = "utf-8"

    def __init__(self, control: Control) -> None:
        self._control = control
        self._process = os.getpid()

    def writable(self) -> bool:
        return True

    def fileno(self) -> int:
        return 2

    def write(self, text: str) -> int:
        if os.getpid() != self._process:
            os.write(2, text.encode(errors="backslashreplace"))
        elif text:
            self._control.show(output_type="stream", name="stderr", text=text)
        return len(text)


class Publisher(DisplayPublisher):
    """``display(…)``."""

    def publish(
        self,
        data: dict[str, Any],
        metadata: dict[str, Any] | None = None,
        source: str = "",
        *,
        transient: dict[str, Any] | None = None,
        update: bool = False,
        **_: Any,
    ) -> None:
        if not update:
            CourseShell.instance().control.show(
                output_type="display_data", data=data, metadata=metadata or {}
            )


class LastValue(DisplayHook):
    """The value of a cell's last expression."""

    def write_output_prompt(self) -> None: ...

    def write_format_data(
        self, format_dict: dict[str, Any], md_dict: dict[str, Any] | None = None
    ) -> None:
        if format_dict:
            number = self.prompt_count
            CourseShell.instance().control.show(
                output_type="execute_result",
                data=format_dict,
                metadata=md_dict or {},
                execution_count=number,
            )

    def finish_displayhook(self) -> None: ...


class CourseShell(InteractiveShell):
    """IPython's shell with its ends at the relay."""

    control: Control
    displayhook_class = Type(LastValue)
    display_pub_class = Type(Publisher)
    autoindent = Bool(False)
    colors_force = Bool(True)

    def init_hooks(self) -> None:
        super().init_hooks()  # type: ignore[no-untyped-call]
        self.set_hook("show_in_pager", as_hook(display_page), 99)  # type: ignore[no-untyped-call]

    def init_virtualenv(self) -> None: ...

    def enable_gui(self, gui: str | None = None) -> None:
        """There is no window here; figures are shown inline."""

    def ask_exit(self) -> None:
        self.exit_now = True

    def _showtraceback(
        self, etype: type[BaseException], evalue: BaseException, stb: list[str]
    ) -> None:
        self.control.show(
            output_type="error", ename=etype.__name__, evalue=str(evalue), traceback=stb
        )

    async def run(self, code: str, *, silent: bool) -> ExecutionResult:
        """One cell; a SIGINT interrupts it."""
        try:
            transformed, failed = self.transform_cell(code), None  # type: ignore[no-untyped-call]
        except Exception:
            transformed, failed = code, sys.exc_info()
        if not self.should_run_async(
            code, transformed_cell=transformed, preprocessing_exc_tuple=failed
        ):
            signal.signal(signal.SIGINT, signal.default_int_handler)
            try:
                result: ExecutionResult = self.run_cell(
                    code, store_history=not silent, silent=silent
                )  # type: ignore[no-untyped-call]
                return result
            finally:
                signal.signal(signal.SIGINT, signal.SIG_IGN)
        running = asyncio.ensure_future(
            self.run_cell_async(
                code,
                store_history=not silent,
                silent=silent,
                transformed_cell=transformed,
                preprocessing_exc_tuple=failed,
            )
        )
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGINT, running.cancel)
        try:
            return await running
        finally:
            loop.remove_signal_handler(signal.SIGINT)
            signal.signal(signal.SIGINT, signal.SIG_IGN)


async def _answer(shell: CourseShell, request: dict[str, Any]) -> dict[str, Any]:
    try:
        result = await shell.run(request["code"], silent=request["silent"])
        error = result.error_before_exec or result.error_in_exec
    except (KeyboardInterrupt, asyncio.CancelledError) as interrupted:
        error = interrupted
    sys.stdout.flush()
    values = shell.user_expressions(request["expressions"])  # type: ignore[no-untyped-call]
    if error is not None:
        named = [type(error).__name__, str(error)]
        return {"status": "error", "error": named, "expressions": values}
    return {"status": "ok", "error": ["", ""], "expressions": values}


async def _serve(shell: CourseShell) -> None:
    loop = asyncio.get_running_loop()
    while not shell.exit_now:
        readable = loop.create_future()
        # tasks that a cell left run on meanwhile
        loop.add_reader(shell.control.fileno(), readable.set_result, None)
        await readable
        loop.remove_reader(shell.control.fileno())
        shell.control.send(event="done", **await _answer(shell, shell.control.receive()))


def main(connected: socket.socket) -> None:
    """Run cells until the relay is gone or a cell asks for the end."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.environ.update(ENVIRONMENT)
    if not sys.flags.safe_path:
        sys.path.insert(0, "")
    sys.stdout = open(  # noqa: SIM115
        1, "w", encoding="utf-8", errors="backslashreplace", buffering=1, closefd=False
    )
    control = Control(connected)
    sys.stderr = Stderr(control)
    shell = CourseShell.instance(config=Config({"HistoryManager": {"enabled": False}}))
    shell.control = control
    control.send(event="ready")
    try:
        asyncio.new_event_loop().run_until_complete(_serve(shell))
    except EOFError:
        return
