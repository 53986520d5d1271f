"""What the site adds to Sphinx: the navigation from docs/nav.toml, and Mermaid diagrams."""

import tomllib
from pathlib import Path
from typing import Any

from docutils import nodes  # type: ignore[import-untyped]
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

DRAW = """\
const natural = {useMaxWidth: false};
mermaid.initialize({
  startOnLoad: true, securityLevel: "strict", theme: "neutral",
  flowchart: natural, sequence: natural, state: natural,
});
"""


class Mermaid(SphinxDirective):
    """A fence whose language is `mermaid`."""

    has_content = True

    def run(self) -> list[nodes.Node]:
        source = nodes.Text("\n".join(self.content)).astext()
        escaped = source.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
        return [nodes.raw("", f'<pre class="mermaid">{escaped}</pre>', format="html")]


def sections(docs: Path) -> list[dict[str, Any]]:
    """The navigation's entries: `title`, `page` and the `pages` below it."""
    entries: list[dict[str, Any]] = tomllib.loads((docs / "nav.toml").read_text())["section"]
    return entries


def setup(app: Sphinx) -> dict[str, Any]:
    """Sphinx calls this."""
    app.add_directive("mermaid", Mermaid)
    app.connect("source-read", _add_contents)
    app.connect("html-page-context", _add_script)
    return {"parallel_read_safe": True, "parallel_write_safe": True}


def _add_contents(app: Sphinx, name: str, source: list[str]) -> None:
    """Append the pages below a page, in Sphinx's notation, which the Markdown files do without."""
    entries = sections(Path(app.confdir))
    below = {entry["page"]: [(None, page) for page in entry["pages"]] for entry in entries}
    below["index"] = [(entry["title"], entry["page"]) for entry in entries]
    for folder in ("lessons", "checks"):
        found = sorted(app.project.docnames)
        below[folder] = [(None, page) for page in found if page.startswith(f"{folder}/")]
    if pages := below.get(name):
        lines = [f"{title} <{page}>" if title else page for title, page in pages]
        source[0] += "\n```{toctree}\n:hidden:\n\n" + "\n".join(lines) + "\n```\n"


def _add_script(
    app: Sphinx, page: str, template: str, context: dict[str, Any], doctree: nodes.document | None
) -> None:
    if doctree and any('class="mermaid"' in raw.astext() for raw in doctree.findall(nodes.raw)):
        app.add_js_file("mermaid.min.js")
        app.add_js_file(None, body=DRAW)
