"""Loads formgrader's pages and Validate into the instructor's JupyterLab."""

from pathlib import Path
from typing import Any

from jinja2 import ChoiceLoader, Environment, FileSystemLoader, PrefixLoader
from jupyter_server.utils import url_path_join
from nbgrader.server_extensions.formgrader import handlers as nbgraders  # type: ignore[import-untyped]
from nbgrader.server_extensions.formgrader.formgrader import FormgradeExtension  # type: ignore[import-untyped]
from tornado.web import Application, StaticFileHandler

from grader.formgrader import actions, pages, validate
from grader.formgrader.pages import TEMPLATES
from grader.pages import template

HERE = Path(__file__).parent


class Formgrader(FormgradeExtension):  # type: ignore[misc]
    """nbgrader's extension with the course's handlers and templates."""

    def init_tornado_settings(self, webapp: Application) -> None:
        """As nbgrader's, but templates escape what goes into them."""
        super().init_tornado_settings(webapp)
        theirs = FileSystemLoader(nbgraders.template_path)
        folders = [HERE / "templates", Path(template.__file__).parent / "templates"]
        loaders = [FileSystemLoader(folders), theirs, PrefixLoader({"nbgrader": theirs})]
        environment = Environment(
            loader=ChoiceLoader(loaders), autoescape=True, trim_blocks=True, lstrip_blocks=True
        )
        environment.filters.update(template.PAGES.filters)
        webapp.settings[TEMPLATES] = environment

    def init_handlers(self, webapp: Application) -> None:
        """The first that matches answers."""
        base = webapp.settings["base_url"]
        static = [
            (r"/formgrader/static/(.*)", StaticFileHandler, {"path": nbgraders.static_path}),
            (r"/formgrader/course/(.*)", StaticFileHandler, {"path": str(HERE / "static")}),
        ]
        routes: list[Any] = [*static, *actions.routes(), *pages.routes(), *validate.routes()]
        webapp.add_handlers(
            ".*$", [(url_path_join(base, pattern), *rest) for pattern, *rest in routes]
        )


def load_jupyter_server_extension(server: Any) -> None:
    """Called by Jupyter."""
    formgrader = Formgrader(parent=server)
    formgrader.root_dir = server.root_dir
    formgrader.log = server.log
    formgrader.initialize([])
    server.web_app.settings["root_dir"] = server.root_dir  # Validate looks for it there
    formgrader.init_tornado_settings(server.web_app)
    formgrader.init_handlers(server.web_app)
