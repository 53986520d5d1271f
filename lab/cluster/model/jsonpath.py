"""The simple JSON paths of a custom resource's columns: ``.spec.names[0]``,
``.status.conditions[?(@.type=="Ready")].status``.
"""

import re
from typing import Any

PART = re.compile(
    r"""\.(?P<field>[\w/-]+(?:\\\.[\w/-]+)*)|\[(?P<index>-?\d+)\]|\[['"](?P<quoted>[^'"]+)['"]\]"""
    r"""|\[\?\(@\.(?P<key>[\w.]+)\s*==\s*['"](?P<value>[^'"]*)['"]\)\]"""
)


def find(obj: Any, path: str) -> Any:
    """The value at the path, or None."""
    at = 0
    while at < len(path):
        match = PART.match(path, at)
        if not match:
            return None
        at = match.end()
        if match["field"] or match["quoted"]:
            name = match["quoted"] or match["field"].replace("\\.", ".")
            obj = obj.get(name) if isinstance(obj, dict) else None
        elif match["index"]:
            index = int(match["index"])
            obj = obj[index] if isinstance(obj, list) and -len(obj) <= index < len(obj) else None
        else:
            listed = obj if isinstance(obj, list) else []
            obj = next(
                (item for item in listed if find(item, f".{match['key']}") == match["value"]), None
            )
    return obj
