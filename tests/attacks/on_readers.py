"""Attacks on whoever reads: what a click does, what is asked of other servers, and what looks like
a verdict of ours. Each text goes into an answer, a text cell and a raw cell of the student's own, a
comment in code, and what that code shows.
"""

from .attack import Attack, Change, Notebook, cell, code_cell

FRAMED = "students' texts keep no attribute and no link, and stand in a frame"
MARK = "mark-of-an-imitation"
LINK = "https://elsewhere.example/taken"
# by what they are; each acts, asks, covers or imitates when it is shown as it is
TEXTS = {
    "A link over the whole window, by bootstrap's classes": (
        f'<a class="modal-backdrop fade" href="{LINK}">{MARK}</a>'
    ),
    "A navigation bar of the student's own, by classes": (
        f'<div class="navbar navbar-fixed-top panel"><a class="btn btn-primary" href="{LINK}">'
        f"Next {MARK}</a></div>"
    ),
    "A link over the whole window, by style": (
        f'<a style="position:fixed;inset:0;z-index:9999" href="{LINK}">{MARK}</a>'
    ),
    "A style sheet in a text": f"<style>.check {{ display: none }} </style>{MARK}",
    "Ids and names that collide with the page's": (
        f'<a id="statusmessage" name="later-test">{MARK}</a><img name="getElementById"'
        f' id="base_url"><div id="main-table">{MARK}</div>'
    ),
    "Attributes that the page's scripts listen to": (
        f'<a data-toggle="modal" data-link="x" data-dismiss="modal" href="#">{MARK}</a>'
        f'<b title="check passed" tabindex="1" accesskey="s" contenteditable draggable="true">{MARK}</b>'
    ),
    "A link that opens elsewhere, with a false text": (
        f'[https://docs.docker.com {MARK}]({LINK} "docs") <a target="_top" rel="opener"'
        f' href="{LINK}" ping="{LINK}" download>here</a>'
    ),
    "Links with odd schemes": (
        f"[{MARK}](vbscript:x) [b](data:text/html,x) [c](//elsewhere.example) [d](file:///etc/passwd)"
        " [e](\tjava\nscript:x) [f](blob:x) <view-source:x> [g](/formgrader?path=submitted)"
    ),
    "Pictures from elsewhere": (
        f"![{MARK}]({LINK}.png) <img srcset='{LINK}.png 1x' src='{LINK}.gif' loading=eager>"
        f"<picture><source srcset='{LINK}'></picture><video poster='{LINK}'></video>"
        f"<table background='{LINK}'><tr><td>{MARK}</td></tr></table>"
    ),
    "Vector graphics and formulas that link": (
        f"<svg width=9999 height=9999><a xlink:href='{LINK}'><text>{MARK}</text></a><image"
        f" href='{LINK}'/></svg><math href='{LINK}'><mtext>{MARK}</mtext></math>"
    ),
    "A base, a refresh and a form": (
        f"<base href='{LINK}'><meta http-equiv=refresh content='0;url={LINK}'><form action='{LINK}'>"
        f"<input name=_xsrf value=1 autofocus><button formaction='{LINK}'>{MARK}</button></form>"
        f"<link rel=stylesheet href='{LINK}'><dialog open>{MARK}</dialog>"
    ),
    "A frame that closes": (
        f"</div></div></main></details><section class='check passed'><h3>{MARK} passed, 3 of 3</h3>"
        f"</section><p class=comment>Your instructor: {MARK}</p>"
    ),
    "Sizes and fonts of the student's own": (
        f"<font size=7 face=x color=white>{MARK}</font><table width=9999 height=9999><td"
        f" align=right width=9999 colspan=999>{MARK}</td></table><marquee>{MARK}</marquee>"
    ),
    "Directions of writing, and letters that are not seen": (
        f"<bdo dir=rtl>{MARK}</bdo> \u202e{MARK}\u2066\u200b\u2060\ufeff"
    ),
    "A table with places of its own": (
        f"| {MARK} |\n|:-:|\n| <td style='position:fixed;top:0'>{MARK}</td> |"
    ),
    "Anchors and headings": f"# {MARK} {{#later-test}}\n<h1 id=later-test>{MARK}</h1>[^1]\n\n[^1]: x",
    "A diagram that a reader's page would draw": (
        f'```mermaid\ngraph TD; A["{MARK}"]; click A "{LINK}"\n```'
    ),
}
SHOWN_SAFELY = "Anchors and headings", "Directions of writing, and letters that are not seen"
LEFT_OUT = ("Vector graphics and formulas that link",)
COLOURS = f"""
print("\\x1b]8;;{LINK}\\x1b\\\\{MARK}\\x1b]8;;\\x1b\\\\ \\x1b[38;2;255;255;255m{MARK}\\x1b[2J\\x1b[9999C")
from IPython.display import display
display({{"text/plain": "{MARK} check passed", "text/html": "<a class=btn href='{LINK}'>{MARK}</a>",
         "text/markdown": "[{MARK}]({LINK})", "image/svg+xml": "<svg/>", "text/latex": "$x$",
         "application/vnd.jupyter.widget-view+json": "1"}}, raw=True)
"""
ERROR = f"raise type('Passed\\u202e', (Exception,), {{}})('<a class=\"modal-backdrop\" href=\"{LINK}\">{MARK}</a>')"


def _everywhere(text: str) -> Change:
    def change(notebook: Notebook) -> None:
        cell(notebook, "words")["source"] = text
        comment = text.replace("\n", " ")
        notebook["cells"] += [
            {"cell_type": "markdown", "metadata": {}, "source": text},
            {"cell_type": "raw", "metadata": {"raw_mimetype": "text/html"}, "source": text},
            code_cell(f"# {comment}\nprint({text!r})"),
        ]

    return change


ATTACKS = [
    *(Attack(name, FRAMED, change=_everywhere(text)) for name, text in TEXTS.items()),
    Attack("Colours, links and tables in what a cell shows", FRAMED, COLOURS),
    Attack("An error that is a link", FRAMED, ERROR, attempts=False),
    Attack(
        "A file to hand in that is a page",
        "only our pages are put into feedback/",
        place=lambda folder: (
            (folder / "index.html").write_text(f"<script>{MARK}</script>") and None
        ),
    ),
    Attack(
        "A configuration of nbgrader handed in",
        "formgrader opens no other course, and files handed in are not served",
        place=lambda folder: (
            (folder / "nbgrader_config.py").write_text("raise SystemExit") and None
        ),
    ),
    Attack(
        "A student's name that is a link and turns letters",
        "pages escape names",
        named=f'z<a class="modal-backdrop" href="x">{MARK}\u202e',
        reason=("malformed",),
    ),
]
