"""Named facts one below the other, as an output shows them."""

from collections.abc import Iterable
from html import escape


def table(facts: Iterable[tuple[str, str]]) -> str:
    """HTML of names (text) and facts (HTML).

    >>> table([("Why", "1 &lt; 2")]).endswith(">1 &lt; 2</td></tr></table>")
    True
    """
    rows = (
        '<tr><th style="text-align:left;vertical-align:top;white-space:nowrap">'
        f'{escape(name)}</th><td style="text-align:left">{fact}</td></tr>'
        for name, fact in facts
    )
    return f"<table>{''.join(rows)}</table>"
