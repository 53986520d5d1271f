"""A graded notebook as HTML, for a reader's browser: what the course wrote as it is, and what a
student wrote or their code showed inside a frame with a label, with nothing in it that acts.

A student's text keeps its headings, lists, tables, code and pasted pictures. It keeps no attribute
(a `class` alone can put a link over the whole window) and no link: an address is shown, and a click
on it does nothing.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from itertools import accumulate
from typing import Any

import nh3
from bs4 import BeautifulSoup
from markupsafe import Markup
from nbconvert.filters.ansi import strip_ansi
from nbconvert.filters.highlight import Highlight2HTML
from nbconvert.filters.markdown_mistune import IPythonRenderer, MarkdownWithMath
from nbformat import NotebookNode
from pygments.formatters import HtmlFormatter  # type: ignore[import-untyped]

from grader.judging.markdown import BASE64, IMAGES
from grader.pages.template import visible

TEXT_TAGS = set(
    "b blockquote br code dd del div dl dt em h1 h2 h3 h4 h5 h6 hr i img kbd li ol p pre span"
    " strong sub sup table tbody td th thead tr ul".split()
)
OUR_TAGS = TEXT_TAGS | {"a", "details", "summary"}
CODE_TAGS = {"div", "pre", "span"}
PICTURE = re.compile(r"data:image/(png|jpeg|gif);base64,")
ADDRESS = re.compile(r"(https?|mailto):", re.IGNORECASE)
NO_OTHERS: dict[str, set[str]] = {"*": set()}  # nh3 lets `title` and `lang` pass otherwise
LONGEST_ADDRESS = 500
MAX_HIGHLIGHTED_CHARS = 100_000  # of one page: it takes seconds, a minute for a million


@dataclass(frozen=True)
class Shown:
    """One cell. ``claim`` is what nbgrader knows of it; ``students``: a student could write it.

    ``verdict``: its outputs are what a check said. Other outputs are the student's.
    """

    claim: Mapping[str, Any]
    is_code: bool
    html: Markup
    outputs: tuple[Markup, ...]

    @property
    def students(self) -> bool:
        return not self.claim.get("locked")

    @property
    def verdict(self) -> bool:
        return bool(self.claim.get("grade") and self.claim.get("locked"))


def shown(notebook: NotebookNode) -> list[Shown]:
    """The cells of a graded notebook.

    Code that no longer fits into what one page highlights, and all code after it, has no colours.
    """
    cells = [cell for cell in notebook.cells if cell.source or cell.get("outputs")]
    code = accumulate(len(cell.source) if cell.cell_type == "code" else 0 for cell in cells)
    return [
        _shown(cell, colours=so_far <= MAX_HIGHLIGHTED_CHARS)
        for cell, so_far in zip(cells, code, strict=True)
    ]


def _shown(cell: NotebookNode, *, colours: bool) -> Shown:
    claim = cell.metadata.get("nbgrader", {})
    outputs = tuple(html for output in cell.get("outputs", []) for html in _output(output))
    if cell.cell_type == "code":
        html = _code(cell.source) if colours else _plain(cell.source)
        return Shown(claim, True, html, outputs)
    if cell.cell_type == "raw":
        return Shown(claim, False, _plain(cell.source), ())
    attachments = cell.get("attachments", {})
    text = released_text if claim.get("locked") else students_text
    return Shown(claim, False, Markup(text(cell.source, attachments)), ())  # noqa: S704  # cleaned


def students_text(source: str, attachments: Mapping[str, Any] | None = None) -> str:
    r"""A student's text in Markdown, as HTML.

    >>> students_text("*So* <script>act()</script>")
    '<p><em>So</em> </p>\n'
    >>> students_text('<a class="modal-backdrop" href="https://there">here</a>')
    '<p>here (https://there)</p>\n'
    """
    html = nh3.clean(
        _markdown(visible(source), attachments),
        tags=TEXT_TAGS | {"a"},
        attributes={**NO_OTHERS, "a": {"href"}, "img": {"src", "alt"}},
        url_schemes={"http", "https", "mailto", "data"},
        link_rel=None,
    )
    return nh3.clean(
        _spell_out_addresses(html),
        tags=TEXT_TAGS,
        attributes={**NO_OTHERS, "img": {"src", "alt"}},
        attribute_filter=_allowed,
        url_schemes={"data"},
    )


def released_text(source: str, attachments: Mapping[str, Any] | None = None) -> str:
    """A text of the exercise, as HTML: its links are links."""
    return clean(_markdown(source, attachments))


def clean(html: str) -> str:
    """The HTML with nothing in it that acts, asks another server or leaves its place."""
    return nh3.clean(
        html,
        tags=OUR_TAGS,
        attributes={**NO_OTHERS, "a": {"href"}, "img": {"src", "alt"}},
        attribute_filter=_allowed,
        url_schemes={"http", "https", "mailto", "data"},
        link_rel="noopener noreferrer",
    )


@cache
def code_style() -> str:
    """The colours of code, as CSS."""
    return str(HtmlFormatter(style="default").get_style_defs(".highlight"))


def _markdown(source: str, attachments: Mapping[str, Any] | None) -> str:
    renderer = IPythonRenderer(
        escape=False, exclude_anchor_links=True, attachments=dict(attachments or {})
    )
    try:
        return MarkdownWithMath(renderer=renderer).render(source)
    except Exception:  # a picture that is not there, a text that stops the renderer
        return str(_plain(source))


def _spell_out_addresses(html: str) -> str:
    """Each link as its text and its address, the address in ASCII: no letter looks like another."""
    soup = BeautifulSoup(html, "html.parser")
    for link in soup("a"):
        address = str(link.get("href", ""))
        if ADDRESS.match(address) and link.get_text() != _ascii(address):
            link.append(f" ({_ascii(address)})")
        link.unwrap()
    for picture in soup("img"):
        if not PICTURE.match(address := str(picture.get("src", ""))):
            picture.replace_with(f"(picture, not in the notebook: {_ascii(address)})")
    return str(soup)


def _ascii(address: str) -> str:
    return address.encode("ascii", "backslashreplace").decode()[:LONGEST_ADDRESS]


def _allowed(tag: str, attribute: str, value: str) -> str | None:
    if (tag, attribute) == ("img", "src"):
        return value if PICTURE.match(value) else None
    if (tag, attribute) == ("a", "href"):
        return value if ADDRESS.match(value) else None
    return value


def _code(source: str) -> Markup:
    html = str(Highlight2HTML(pygments_lexer="ipython3")(visible(source)))  # type: ignore[no-untyped-call]
    cleaned = nh3.clean(html, tags=CODE_TAGS, attributes={"*": {"class"}})
    return Markup(cleaned)  # noqa: S704  # pygments escaped it, and its classes are pygments' own


def _plain(text: str) -> Markup:
    return Markup("<pre>{}</pre>").format(visible(strip_ansi(text)))  # type: ignore[no-untyped-call]


def _output(output: NotebookNode) -> Iterator[Markup]:
    """Text, or a picture with the text that comes with it left out."""
    data = output.get("data", {})
    picture = next(
        (mime for mime in IMAGES if BASE64.fullmatch(str(data.get(mime, "")) or "-")), ""
    )
    if picture:
        yield Markup('<img alt="picture" src="data:{};base64,{}">').format(picture, data[picture])
    elif output.output_type == "error":
        yield _plain("\n".join(output.get("traceback") or [output.get("evalue", "")]))
    elif text := output.get("text") or data.get("text/plain"):
        yield _plain(text)
