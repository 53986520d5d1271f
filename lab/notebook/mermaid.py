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

# How objects of the cluster are. Blue, orange and grey: told apart by every kind of eye, readable
# on white and on dark.
HEALTH_STYLES = (
    "    classDef good fill:#cfe8fa,stroke:#0072b2,stroke-width:2px,color:#000",
    "    classDef bad fill:#fdebc8,stroke:#d55e00,stroke-width:2px,stroke-dasharray:6 3,color:#000",
    "    classDef none fill:#eeeeee,stroke:#767676,color:#000",
)


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
