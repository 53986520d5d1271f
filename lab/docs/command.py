"""`bin/lab docs`: build the documentation and show it."""

import functools
import tempfile
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from importlib.util import find_spec
from pathlib import Path

import click

from lab.browser import open_page
from lab.errors import LabError
from lab.progress import say, step

PORT = 8890  # JupyterLab has 8888, the instructor's 8889
MADE_BY_SPHINX = ".buildinfo"


@click.command()
@click.option(
    "--build-only",
    "target",
    type=click.Path(path_type=Path, file_okay=False),
    help="Write the site to this folder without showing it.",
)
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=PORT,
    show_default=True,
    help="Port on this machine; 0 for any free one.",
)
@click.option("--no-browser", is_flag=True, help="Print the address without opening a browser.")
def docs(target: Path | None, port: int, no_browser: bool) -> None:
    """Build the documentation and the lessons as a site, and show it until Ctrl-C.

    The pages need no network. A warning (a broken link, a missing picture) is an error: it is
    printed, and no site is shown.
    """
    if target:
        _require_ours(target)
        _build(target)
        say(f"The site is in {target}: open {target / 'index.html'}")
        return
    with (
        tempfile.TemporaryDirectory(prefix="course-site-") as folder,
        _server(folder, port) as server,
    ):
        _build(Path(folder))
        _show(server, no_browser)


def _require_ours(target: Path) -> None:
    if target.exists() and any(target.iterdir()) and not (target / MADE_BY_SPHINX).exists():
        raise LabError(
            f"{target} is not empty, and its content is not a site that bin/lab docs built.",
            "choose a new or an empty folder.",
        )


def _build(target: Path) -> None:
    if find_spec("sphinx") is None:
        raise LabError(
            "Sphinx, which builds the documentation, is not installed in this Python environment.",
            "bin/lab docs, which installs it; or pip install -e '.[docs]'",
        )
    from lab.docs.build import build  # here: only this command needs Sphinx

    with step("Build the documentation"):
        build(target)


def _server(folder: str, port: int) -> ThreadingHTTPServer:
    try:
        return ThreadingHTTPServer(("127.0.0.1", port), functools.partial(_Quiet, directory=folder))
    except OSError as error:
        raise LabError(
            f"Port {port} on this machine cannot be used ({error.strerror}).",
            "bin/lab docs --port 0, which takes any free port",
        ) from error


def _show(server: ThreadingHTTPServer, no_browser: bool) -> None:
    url = f"http://127.0.0.1:{server.server_port}/"
    say("The documentation is open until you press Ctrl-C. In your browser:")
    click.echo(url)
    if not no_browser:
        open_page(url)
    try:
        server.serve_forever()
    except KeyboardInterrupt:
        say("Stopped.")


class _Quiet(SimpleHTTPRequestHandler):
    """Logs errors only."""

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        pass
