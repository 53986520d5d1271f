"""The cluster that an exercise asks for, in its notebook's metadata: the number of its nodes."""

import json
from pathlib import Path

from lab.cluster.registry.machines import MOST_NODES
from lab.errors import LabError


def nodes_wanted(course: object) -> int:
    """How many nodes the metadata ``course`` asks for; 0: no cluster. ValueError for nonsense.

    >>> nodes_wanted({}), nodes_wanted({"cluster": True}), nodes_wanted({"cluster": {"nodes": 3}})
    (0, 1, 3)
    """
    match course:
        case dict() if not course:
            return 0
        case {"cluster": bool(wanted), **rest} if not rest:
            return int(wanted)
        case {"cluster": {"nodes": int(nodes), **others}, **rest} if not (others or rest):
            if 1 <= nodes <= MOST_NODES and not isinstance(nodes, bool):
                return nodes
    raise ValueError(
        f'has metadata "course" with no known meaning, {json.dumps(course)}: {{"cluster": true}}'
        ' asks for a cluster, {"cluster": {"nodes": 3}} for one of three nodes (there may be 1 to'
        f" {MOST_NODES}), and there is nothing else to ask for."
    )


def nodes_of(notebook: Path) -> int:
    """The same of a source notebook. LabError for nonsense."""
    content = json.loads(notebook.read_text(encoding="utf-8"))
    try:
        return nodes_wanted(content["metadata"].get("course", {}))
    except ValueError as error:
        raise LabError(f"{notebook} {error}", "bin/lab release, when it is corrected") from error
