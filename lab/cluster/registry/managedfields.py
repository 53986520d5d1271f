"""Who manages which field (``metadata.managedFields``), and server-side apply, which asks that
before it changes anything.

A set of fields is a set of paths; a path is a tuple of elements as FieldsV1 writes them: ``f:name``
a field, ``k:{…}`` a list's item by its keys, ``v:…`` an item of a set by its value.
"""

import json
from collections.abc import Iterator
from typing import Any, TypeAlias

from lab.cluster.model.errors import APIError
from lab.cluster.model.objects import Obj, copy, now
from lab.cluster.model.schema import Schemas, types

Path: TypeAlias = tuple[str, ...]
Fields: TypeAlias = frozenset[Path]

# Structures that Go always writes, so that setting something inside does not count as adding the
# structure.
ALWAYS_THERE = frozenset(
    "metadata spec status template strategy updateStrategy jobTemplate scaleTargetRef containers"
    " loadBalancer resources".split()
)
# Fields that no manager owns: the server sets them.
SERVERS_META = (
    "name namespace creationTimestamp uid selfLink generation managedFields resourceVersion"
    " deletionTimestamp deletionGracePeriodSeconds".split()
)
IGNORED = frozenset(
    ["f:apiVersion", "f:kind", "f:metadata", *(f"f:metadata/f:{key}" for key in SERVERS_META)]
)
LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
KEY_DEFAULTS = {"protocol": "TCP"}


def to_v1(fields: Fields) -> Obj:
    """The set as a FieldsV1 tree."""
    tree: Obj = {}
    for path in sorted(fields):
        node = tree
        for element in path:
            node = node.setdefault(element, {})
    for path in fields:
        node = tree
        for element in path:
            node = node[element]
        if node:
            node["."] = {}
    return tree


def from_v1(tree: Obj, path: Path = ()) -> Iterator[Path]:
    """The paths of a FieldsV1 tree."""
    for element, child in tree.items():
        if element == ".":
            yield path
        elif child:
            yield from from_v1(child, (*path, element))
        else:
            yield (*path, element)


class FieldWalk:
    """Paths of objects of one kind."""

    def __init__(self, schemas: Schemas) -> None:
        self.schemas = schemas

    def elements(self, value: Any, schema: Obj) -> dict[str, tuple[Any, Obj]] | None:
        """The parts of a value that have owners of their own: path element to part and schema.

        None: it is one whole.
        """
        if isinstance(value, dict) and schema.get("x-kubernetes-map-type") != "atomic":
            if not schema or not (types(schema) & {"object"} or "properties" in schema):
                return None
            return {
                f"f:{key}": (child, self.schemas.child(schema, key)) for key, child in value.items()
            }
        kind = schema.get("x-kubernetes-list-type", "atomic")
        if isinstance(value, list) and kind == "map":
            keys = schema.get("x-kubernetes-list-map-keys") or []
            item = self.schemas.item(schema)
            return {
                self._key(child, keys): (child, item) for child in value if isinstance(child, dict)
            }
        if isinstance(value, list) and kind == "set":
            return {f"v:{json.dumps(child)}": (child, {}) for child in value}
        return None

    @staticmethod
    def _key(item: Obj, keys: list[str]) -> str:
        values = {key: item.get(key, KEY_DEFAULTS.get(key)) for key in sorted(keys)}
        return "k:" + json.dumps(
            {k: v for k, v in values.items() if v is not None}, separators=(",", ":")
        )

    def added(self, value: Any, schema: Obj, path: Path, *, fresh: bool) -> Iterator[Path]:
        """All paths of a new value; ``fresh``: what holds it is new as well."""
        parts = self.elements(value, schema)
        if not parts:
            yield path
            return
        if fresh or path[-1].removeprefix("f:") not in ALWAYS_THERE:
            yield path
            fresh = True
        for element, (child, inner) in parts.items():
            yield from self.added(
                child, inner, (*path, element), fresh=(fresh and element[0] != "f") or fresh
            )

    def applied(self, value: Any, schema: Obj, path: Path = ()) -> Iterator[Path]:
        """The paths that a manager claims by applying this configuration."""
        parts = self.elements(value, schema)
        if not parts:
            yield path
            return
        if path and path[-1][0] == "k":
            yield path
        for element, (child, inner) in parts.items():
            yield from self.applied(child, inner, (*path, element))

    def changes(
        self, old: Any, new: Any, schema: Obj, path: Path = ()
    ) -> tuple[set[Path], set[Path]]:
        """Paths that ``new`` sets (added or modified), and paths of ``old`` that are gone."""
        if old == new:
            return set(), set()
        before, after = self.elements(old, schema), self.elements(new, schema)
        if before is None or after is None or (not before and not isinstance(old, dict | list)):
            return {path}, set()
        set_paths: set[Path] = set()
        gone: set[Path] = set()
        for element, (value, inner) in after.items():
            here = (*path, element)
            if element in before:
                set_here, gone_here = self.changes(before[element][0], value, inner, here)
                set_paths |= set_here
                gone |= gone_here
            else:
                set_paths |= set(self.added(value, inner, here, fresh=False))
        for element, (value, inner) in before.items():
            if element not in after:
                gone |= set(self.added(value, inner, (*path, element), fresh=True))
        return set_paths, gone


def _meant(fields: set[Path]) -> Fields:
    return frozenset(path for path in fields if "/".join(path) not in IGNORED)


def _entries(obj: Obj) -> list[tuple[Obj, Fields]]:
    listed = obj.get("metadata", {}).get("managedFields") or []
    return [(entry, frozenset(from_v1(entry.get("fieldsV1") or {}))) for entry in listed]


def _write(obj: Obj, entries: list[tuple[Obj, Fields]]) -> None:
    kept = [entry | {"fieldsV1": to_v1(fields)} for entry, fields in entries if fields]
    kept.sort(
        key=lambda e: (
            e["operation"],
            e.get("time", ""),
            e["manager"],
            e["apiVersion"],
            e.get("subresource", ""),
        )
    )
    obj["metadata"].pop("managedFields", None)
    if kept:
        obj["metadata"]["managedFields"] = kept


def _entry(manager: str, operation: str, api_version: str, subresource: str) -> Obj:
    entry = {
        "manager": manager,
        "operation": operation,
        "apiVersion": api_version,
        "time": now(),
        "fieldsType": "FieldsV1",
    }
    return entry | ({"subresource": subresource} if subresource else {})


def _is(entry: Obj, manager: str, operation: str, subresource: str) -> bool:
    return (entry["manager"], entry["operation"], entry.get("subresource", "")) == (
        manager,
        operation,
        subresource,
    )


def track_update(
    walk: FieldWalk, old: Obj, new: Obj, schema: Obj, manager: str, subresource: str
) -> None:
    """Record in ``new`` that ``manager`` wrote it over ``old`` ({} when it created it)."""
    entries = _entries(old)
    given = new["metadata"].get("managedFields")
    if given is not None and not [entry for entry in given if entry]:
        entries = []  # an empty list is the way to forget all managers
    changed, gone = walk.changes(_clean(old), _clean(new), schema)
    owned, removed = _meant(changed), _meant(gone)
    result, mine = [], False
    for entry, fields in entries:
        if _is(entry, manager, "Update", subresource):
            mine = True
            after = (fields | owned) - removed
            result.append((entry | {"time": now()} if after != fields else entry, after))
        else:
            result.append((entry, fields - owned - removed))
    if owned and not mine:
        result.append((_entry(manager, "Update", new["apiVersion"], subresource), owned))
    _write(new, result)


def _clean(obj: Obj) -> Obj:
    skipped = "managedFields resourceVersion uid generation creationTimestamp selfLink".split()
    return obj | {
        "metadata": {k: v for k, v in (obj.get("metadata") or {}).items() if k not in skipped}
    }


def apply(
    walk: FieldWalk,
    live: Obj,
    config: Obj,
    schema: Obj,
    manager: str,
    *,
    force: bool,
    subresource: str = "",
) -> Obj:
    """Server-side apply: ``live`` with ``config`` merged in and its managers recorded.

    APIError (409) for fields that others manage, unless with ``force``.
    """
    claimed = _meant(set(walk.applied(_clean(config), schema)))
    merged: Obj = _merge(walk, live, config, schema)
    _note_last_applied(live, config, merged, manager)
    changed = _meant(walk.changes(_clean(live), _clean(merged), schema)[0]) if live else frozenset()
    mine: tuple[Obj, Fields] | None = None
    others: list[tuple[Obj, Fields]] = []
    for entry, fields in _entries(live):
        if not _is(entry, manager, "Apply", subresource):
            others.append((entry, fields))
        elif mine is None:
            mine = entry, fields
    taken = changed & claimed
    if not force:
        _refuse_conflicts(others, taken)
    before: Fields = mine[1] if mine else frozenset()
    held = frozenset().union(*(fields for _, fields in others))
    for path in sorted(before - claimed - held, key=len, reverse=True):
        _remove(walk, merged, schema, path)
    unchanged = mine is not None and before == claimed and not changed
    new = _entry(manager, "Apply", config["apiVersion"], subresource)
    own = (mine[0] if mine and unchanged else new), claimed
    _write(merged, [*((entry, fields - taken) for entry, fields in others), own])
    return merged


def _note_last_applied(live: Obj, config: Obj, merged: Obj, manager: str) -> None:
    """So that a later client-side apply finds what was applied last, whichever way."""
    if manager == "kubectl" and LAST_APPLIED in (live.get("metadata", {}).get("annotations") or {}):
        text = json.dumps(config, sort_keys=True, separators=(",", ":")) + "\n"
        merged["metadata"]["annotations"][LAST_APPLIED] = text


def _refuse_conflicts(others: list[tuple[Obj, Fields]], taken: Fields) -> None:
    conflicts = [(entry, sorted(fields & taken)) for entry, fields in others if fields & taken]
    if conflicts:
        raise conflict_error(conflicts)


def _merge(walk: FieldWalk, live: Any, config: Any, schema: Obj) -> Any:
    mine, theirs = walk.elements(config, schema), walk.elements(live, schema)
    if mine is None or theirs is None:
        return config
    if isinstance(config, dict):
        merged = dict(live)
        for element, (value, inner) in mine.items():
            key = element.removeprefix("f:")
            merged[key] = _merge(walk, live[key], value, inner) if key in live else value
        return copy(merged)
    placed = [
        _merge(walk, theirs[e][0], mine[e][0], mine[e][1]) if e in mine else part
        for e, (part, _) in theirs.items()
    ]
    return placed + [part for element, (part, _) in mine.items() if element not in theirs]


def _remove(walk: FieldWalk, obj: Any, schema: Obj, path: Path) -> None:
    """Take the value at the path out of the object."""
    for depth, element in enumerate(path):
        parts = walk.elements(obj, schema) or {}
        if element not in parts:
            return
        child, inner = parts[element]
        if depth == len(path) - 1:
            if isinstance(obj, dict):
                obj.pop(element.removeprefix("f:"), None)
            else:
                obj.remove(child)
            return
        obj, schema = child, inner


def dotted(path: Path) -> str:
    """A path as conflicts print it: ``.spec.containers[name="web"].image``."""
    shown = ""
    for element in path:
        kind, _, text = element.partition(":")
        if kind == "f":
            shown += f".{text}"
        elif kind == "k":
            keys = (f"{key}={json.dumps(value)}" for key, value in json.loads(text).items())
            shown += f"[{','.join(keys)}]"
        else:
            shown += f"[={text}]"
    return shown


def conflict_error(conflicts: list[tuple[Obj, list[Path]]]) -> APIError:
    lines, causes = [], []
    for entry, paths in conflicts:
        who = f'"{entry["manager"]}"'
        if entry.get("subresource"):
            who += f' with subresource "{entry["subresource"]}"'
        if entry["operation"] == "Update":
            who += f" using {entry['apiVersion']}"
        shown = [dotted(path) for path in paths]
        lines.append(
            f"conflict with {who}: {shown[0]}"
            if len(shown) == 1
            else "\n- ".join([f"conflicts with {who}:", *shown])
        )
        causes += [
            {"reason": "FieldManagerConflict", "message": f"conflict with {who}", "field": field}
            for field in shown
        ]
    number = len(causes)
    message = f"Apply failed with {number} conflict{'' if number == 1 else 's'}: " + "\n".join(
        lines
    )
    return APIError(409, "Conflict", message, {"causes": causes})
