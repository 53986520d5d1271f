"""Loads the start page into a student's JupyterLab, and keeps progress whenever one is saved."""

import asyncio
from contextlib import suppress
from pathlib import Path
from typing import Any

from jupyter_server.base.handlers import JupyterHandler
from jupyter_server.utils import url_path_join
from tornado import web

from grader.startpage import page, progress
from grader.startpage.notebooks import course_paths, read_notebook

ADDRESS = "course"  # below JupyterLab's own; lab/inside/jupyter/labextension shows it in a tab
POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none';"
    " frame-ancestors 'self'"
)


class StartPage(JupyterHandler):
    """``GET /course``: the page, for those who have the token; ``?theme=dark`` or ``light``, else
    as the browser prefers.
    """

    def initialize(self, workspace: Path) -> None:
        """``workspace`` is the folder that JupyterLab shows."""
        self.workspace = workspace

    @property
    def content_security_policy(self) -> str:
        """No script, and nothing from elsewhere."""
        return POLICY

    @web.authenticated
    async def get(self) -> None:
        """The engine may be slow to answer, so JupyterLab does not wait for it."""
        self.set_header("Cache-Control", "no-store")
        theme = self.get_query_argument("theme", "")
        # not awaited: a reader who has already left is no error
        self.finish(await asyncio.to_thread(page.render, self.workspace, self.base_url, theme))


def keep_progress(*, os_path: str, contents_manager: Any, **_: Any) -> None:
    """Called by Jupyter when a file was saved: what was run counts even if it is cleared later."""
    workspace = Path(contents_manager.root_dir)
    saved = Path(os_path)
    path = saved.relative_to(workspace).as_posix() if saved.is_relative_to(workspace) else ""
    if path in course_paths(workspace):
        # the page says when progress cannot be kept; saving must not fail for that
        with suppress(OSError):
            progress.keep(workspace, [read_notebook(workspace, path)])


def load_jupyter_server_extension(server: Any) -> None:
    """Called by Jupyter."""
    base = server.web_app.settings["base_url"]
    given = {"workspace": Path(server.root_dir)}
    server.web_app.add_handlers(".*$", [(url_path_join(base, ADDRESS), StartPage, given)])
    server.contents_manager.register_post_save_hook(keep_progress)
