"""Tables: what ``kubectl get`` prints is made here, by the server, one row of cells an object."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from lab.cluster.apiserver.columns import PRINTERS, base
from lab.cluster.model.jsonpath import find
from lab.cluster.model.objects import Obj, at, name_of
from lab.cluster.model.resources import Resource

Cells = Callable[[Obj], Sequence[Any]]


@dataclass(frozen=True)
class Column:
    """A column; ``wide`` ones are shown by ``-o wide`` alone."""

    name: str
    kind: str = "string"
    wide: bool = False
    description: str = ""

    def definition(self) -> Obj:
        form = "name" if self.name == "Name" else ""
        return {
            "name": self.name,
            "type": self.kind,
            "format": form,
            "description": self.description or self.name,
            "priority": 1 if self.wide else 0,
        }


def parse_columns(text: str) -> list[Column]:
    """From ``Name Ready Nominated_Node* Data#``: a star marks a wide column, # a number."""
    columns = []
    for word in text.split():
        kind = "integer" if "#" in word else "string"
        columns.append(Column(word.strip("*#").replace("_", " "), kind, "*" in word))
    return columns


def printer(resource: Resource) -> tuple[list[Column], Cells]:
    """The columns of a resource and the function that fills them."""
    if resource.crd is not None:
        return _custom(resource.crd)
    text, cells = PRINTERS.get(resource.qualified, ("Name Created_At", base.created_at))
    return parse_columns(text), cells


def _custom(version: Obj) -> tuple[list[Column], Cells]:
    given = version.get("additionalPrinterColumns")
    if not given:
        return parse_columns("Name Age"), lambda obj: [name_of(obj), base.age(obj)]
    listed = [
        Column(
            c["name"], c.get("type", "string"), c.get("priority", 0) > 0, c.get("description", "")
        )
        for c in given
    ]

    def cells(obj: Obj) -> list[Any]:
        found = []
        for column in given:
            value = find(obj, column["jsonPath"])
            found.append(base.since(value) if column.get("type") == "date" else value)
        return [name_of(obj), *found]

    return [Column("Name"), *listed], cells


def table(
    resource: Resource,
    objects: Sequence[Obj],
    *,
    include: str = "Metadata",
    headers: bool = True,
    meta: Obj | None = None,
) -> Obj:
    """A meta.k8s.io/v1 Table; ``include`` is None, Metadata or Object, as the request asks."""
    listed, cells = printer(resource)
    result: Obj = {"kind": "Table", "apiVersion": "meta.k8s.io/v1", "metadata": meta or {}}
    result["columnDefinitions"] = [column.definition() for column in listed] if headers else []
    result["rows"] = [{"cells": list(cells(obj))} | _row_object(obj, include) for obj in objects]
    if len(objects) == 1 and meta is None:
        result["metadata"] = {
            "resourceVersion": at(objects[0], "metadata", "resourceVersion", default="")
        }
    return result


def _row_object(obj: Obj, include: str) -> Obj:
    if include == "None":
        return {}
    if include == "Object":
        return {"object": obj}
    partial = {
        "kind": "PartialObjectMetadata",
        "apiVersion": "meta.k8s.io/v1",
        "metadata": obj["metadata"],
    }
    return {"object": partial}
