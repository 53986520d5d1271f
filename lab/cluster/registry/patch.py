"""The patches kubectl sends: JSON, merge and strategic merge (apply is in ``managedfields``)."""

from typing import Any, cast

import jsonpatch
import jsonpointer

from lab.cluster.model.errors import bad_request, rejected
from lab.cluster.model.objects import Obj, copy
from lab.cluster.model.schema import Schemas

JSON = "application/json-patch+json"
MERGE = "application/merge-patch+json"
STRATEGIC = "application/strategic-merge-patch+json"
APPLY = "application/apply-patch+yaml"
SUPPORTED = (JSON, MERGE, STRATEGIC, APPLY)

ORDER = "$setElementOrder/"
DELETE_FROM = "$deleteFromPrimitiveList/"


def json_patch(obj: Obj, patch: Any) -> Obj:
    """RFC 6902. APIError (422) when an operation cannot be done."""
    try:
        return cast(Obj, jsonpatch.JsonPatch(patch).apply(copy(obj)))
    except (
        jsonpatch.JsonPatchException,
        jsonpointer.JsonPointerException,
        TypeError,
        KeyError,
        AttributeError,
    ) as error:
        raise rejected() from error


def merge(target: Any, patch: Any) -> Any:
    """RFC 7386: values replace, null removes, lists are replaced whole."""
    if not isinstance(patch, dict):
        return patch
    result = dict(target) if isinstance(target, dict) else {}
    for key, value in patch.items():
        if value is None:
            result.pop(key, None)
        else:
            result[key] = merge(result.get(key), value)
    return result


def strategic(schemas: Schemas, target: Obj, patch: Obj, schema: Obj) -> Obj:
    """A merge patch that knows which lists are keyed, and the directives ``$patch``,
    ``$retainKeys``, ``$setElementOrder`` …
    """
    directive = patch.get("$patch")
    if directive == "replace":
        return {key: value for key, value in patch.items() if key != "$patch"}
    if directive == "delete":
        return {}
    if directive not in (None, "merge"):
        raise bad_request(f"unknown patch type found: {directive}")
    result = _retain(target, patch.get("$retainKeys"))
    for key, value in patch.items():
        if key.startswith(DELETE_FROM):
            field = key.removeprefix(DELETE_FROM)
            result[field] = [item for item in result.get(field) or [] if item not in _list(value)]
        elif not key.startswith("$"):
            order = patch.get(ORDER + key)
            _apply(schemas, result, key, value, schemas.child(schema, key), order)
    for key, order in patch.items():
        field = key.removeprefix(ORDER)
        if key.startswith(ORDER) and field not in patch and isinstance(result.get(field), list):
            merge_key = schemas.child(schema, field).get("x-kubernetes-patch-merge-key")
            result[field] = _ordered(result[field], [], _list(order), merge_key, result[field])
    return result


def _list(value: Any) -> list[Any]:
    if not isinstance(value, list):
        raise bad_request("a list was expected in a directive of the patch")
    return value


def _retain(target: Obj, keys: Any) -> Obj:
    return (
        dict(target)
        if keys is None
        else {key: value for key, value in target.items() if key in _list(keys)}
    )


def _apply(schemas: Schemas, result: Obj, key: str, value: Any, schema: Obj, order: Any) -> None:
    if value is None:
        result.pop(key, None)
        return
    before = result.get(key)
    strategy = schema.get("x-kubernetes-patch-strategy", "")
    if isinstance(value, dict) and "replace" not in strategy.split(","):
        merged = strategic(schemas, before if isinstance(before, dict) else {}, value, schema)
        if value.get("$patch") == "delete":
            result.pop(key, None)
        else:
            result[key] = merged
    elif isinstance(value, list) and "merge" in strategy.split(","):
        result[key] = _merge_lists(
            schemas, before if isinstance(before, list) else [], value, schema, order
        )
    else:
        result[key] = value


def _merge_lists(
    schemas: Schemas, before: list[Any], patch: list[Any], schema: Obj, order: Any
) -> list[Any]:
    key = schema.get("x-kubernetes-patch-merge-key")
    if not key:
        merged = [*before, *(item for item in patch if item not in before)]
        return _ordered(
            [i for i in merged if i not in patch], list(dict.fromkeys(patch)), order, None, before
        )
    if any(not isinstance(item, dict) for item in patch):
        raise bad_request("the patch has something other than maps in a list of maps")
    if any(item.get("$patch") == "replace" for item in patch):
        return [item for item in patch if "$patch" not in item]
    left = list(before)
    touched: list[Any] = []
    for item in patch:
        if key not in item:
            raise bad_request(f"map: {item} does not contain declared merge key: {key}")
        old = next((other for other in left + touched if other.get(key) == item[key]), None)
        left = [other for other in left if other.get(key) != item[key]]
        if item.get("$patch") != "delete":
            touched.append(strategic(schemas, old or {}, item, schemas.item(schema)))
    return _ordered(left, touched, order, key, before)


def _ordered(
    server_only: list[Any], patched: list[Any], order: Any, key: str | None, server_order: list[Any]
) -> list[Any]:
    """The merged list: patched items as the patch orders them, the rest as they were."""

    def identity(item: Any) -> Any:
        return item.get(key) if key and isinstance(item, dict) else item

    if order is not None:
        wanted = [identity(item) for item in _list(order)]
        everything = patched + [item for item in server_only if identity(item) in wanted]
        server_only = [item for item in server_only if identity(item) not in wanted]
        patched = sorted(
            everything,
            key=lambda item: (
                wanted.index(identity(item)) if identity(item) in wanted else len(wanted)
            ),
        )
    places = [identity(item) for item in server_order]
    result = []
    while server_only and patched:
        left, right = identity(server_only[0]), identity(patched[0])
        earlier = left in places and right in places and places.index(left) < places.index(right)
        result.append(server_only.pop(0) if earlier else patched.pop(0))
    return result + server_only + patched
