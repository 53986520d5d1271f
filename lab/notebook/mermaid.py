"""Diagrams that JupyterLab draws itself, with the same facts as text where nothing draws."""

from dataclasses import dataclass

_SPECIAL = {
    "#": "#35;",
    ";": "#59;",
    '"': "#quot;",
    "<": "#lt;",
    ">": "#gt;",
    "`": "#96;",
    "\n": "<br/>",
}


@dataclass(frozen=True)
class Diagram:
    """A Mermaid diagram (`source`) and its readable `text`; a cell's last expression shows it."""

    source: str
    text: str

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, str]:
        return {"text/vnd.mermaid": self.source, "text/plain": self.text}

    def __str__(self) -> str:
        return self.text


def escape(text: str) -> str:
    """`text` in a form that Mermaid shows literally, in nodes and on arrows.

    >>> escape('sh -c "exit 3; #"')
    'sh -c #quot;exit 3#59; #35;#quot;'
    """
    return "".join(_SPECIAL.get(character, character) for character in text)
