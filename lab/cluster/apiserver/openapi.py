"""The schemas as kubectl asks for them: OpenAPI v3 a group and version at a time (``explain``,
validation), and v2 whole.
"""

import hashlib
import json
from typing import Any

from lab.cluster import VERSION
from lab.cluster.model.enums import described, values_of
from lab.cluster.model.objects import Obj
from lab.cluster.model.resources import Resource, Resources
from lab.cluster.model.schema import INT_OR_STRING, PREFIX, QUANTITY, TIMES, Schemas

V3_PREFIX, V2_PREFIX = "#/components/schemas/", "#/definitions/"
QUERY = ("dryRun", "fieldManager", "fieldValidation")
PATHS_OF_A_LIST = ("/{name}", "")


class OpenAPI:
    """The documents that tell clients what the API takes; ``kubectl explain`` and validation use
    them.

    They are made when asked for: most never are. ``APIServer`` serves them.
    """

    def __init__(self, schemas: Schemas, resources: Resources) -> None:
        self.schemas, self.resources = schemas, resources

    def index(self) -> Obj:
        paths = {}
        for group, versions in self.resources.groups().items():
            for version in versions:
                path = f"apis/{group}/{version}" if group else f"api/{version}"
                listed = [
                    r for r in self.resources.all() if (r.group, r.version) == (group, version)
                ]
                content = json.dumps([(r.plural, r.crd) for r in listed])
                digest = hashlib.sha256(f"{VERSION}{content}".encode()).hexdigest().upper()
                paths[path] = {"serverRelativeURL": f"/openapi/v3/{path}?hash={digest}"}
        return {"paths": paths}

    def v3(self, group: str, version: str) -> Obj | None:
        listed = [r for r in self.resources.all() if (r.group, r.version) == (group, version)]
        if not listed:
            return None
        schemas: dict[str, Obj] = {}
        for resource in listed:
            if resource.crd is not None:
                schemas[self._custom_name(resource)] = self._translate(
                    self.schemas.of(resource), V3_PREFIX, ""
                ) | {"x-kubernetes-group-version-kind": [_gvk(resource)]}
                self._collect(self.schemas.of(resource), schemas, V3_PREFIX)
            else:
                name = self.schemas.name_of_kind(group, version, resource.kind)
                if name:
                    self._collect({"$ref": PREFIX + name}, schemas, V3_PREFIX)
        return {
            "openapi": "3.0.0",
            "info": {"title": "Kubernetes", "version": VERSION},
            "paths": self._paths(listed),
            "components": {"schemas": schemas},
        }

    def v2(self) -> Obj:
        """The swagger document: all definitions, and a path for each kind that is validated."""
        schemas = {
            name: self._translate(schema, V2_PREFIX, name)
            for name, schema in self.schemas.definitions.items()
        }
        info = {"title": "Kubernetes", "version": VERSION}
        return {
            "swagger": "2.0",
            "info": info,
            "paths": self._paths(self.resources.all()),
            "definitions": schemas,
        }

    def _custom_name(self, resource: Resource) -> str:
        return ".".join([*reversed(resource.group.split(".")), resource.version, resource.kind])

    def _paths(self, listed: list[Resource]) -> Obj:
        paths: Obj = {}
        for resource in listed:
            prefix = (
                f"/apis/{resource.group}/{resource.version}"
                if resource.group
                else f"/api/{resource.version}"
            )
            where = "/namespaces/{namespace}" if resource.namespaced else ""
            for name in PATHS_OF_A_LIST:
                methods = ("get", "put", "patch", "delete") if name else ("get", "post")
                paths[f"{prefix}{where}/{resource.plural}{name}"] = {
                    method: _operation(resource) for method in methods
                }
        return paths

    def _collect(self, schema: Any, collected: dict[str, Obj], prefix: str) -> None:
        """Add to ``collected`` all definitions that a schema refers to."""
        if isinstance(schema, list):
            for item in schema:
                self._collect(item, collected, prefix)
        elif isinstance(schema, dict):
            target = schema.get(
                "$ref"
            )  # a text where it is a reference; a field of that name is a schema
            name = target.removeprefix(PREFIX) if isinstance(target, str) else ""
            if name and name not in collected and name not in TIMES:
                collected[name] = self._translate(self.schemas.definitions[name], prefix, name)
                self._collect(self.schemas.definitions[name], collected, prefix)
            for value in schema.values():
                self._collect(value, collected, prefix)

    def _translate(self, schema: Obj, prefix: str, name: str) -> Obj:
        """A definition as OpenAPI has it: one type, no null, described references in allOf."""
        if name in (INT_OR_STRING, QUANTITY):
            other = "integer" if name == INT_OR_STRING else "number"
            return (
                {"oneOf": [{"type": "string"}, {"type": other}]}
                if prefix == V3_PREFIX
                else {"type": "string"}
            )
        result: Obj = {}
        for key, value in schema.items():
            if key == "properties":
                result[key] = {
                    field: self._property(child, prefix, name, field)
                    for field, child in value.items()
                }
            elif key in ("items", "additionalProperties") and isinstance(value, dict):
                result[key] = self._property(value, prefix, "", "")
            elif key == "type" and isinstance(value, list):
                result[key] = next(kind for kind in value if kind != "null")
            elif not (key == "enum" and name):
                result[key] = value
        return result

    def _property(self, schema: Obj, prefix: str, owner: str, field: str) -> Obj:
        target = str(schema.get("$ref", "")).removeprefix(PREFIX)
        rest = {key: value for key, value in schema.items() if key != "$ref"}
        if target in TIMES:
            return {"type": "string", "format": "date-time"} | rest
        if target:
            reference = {"$ref": prefix + target}
            return (
                {"allOf": [reference], "default": {}} | rest
                if rest and prefix == V3_PREFIX
                else reference | rest
            )
        result = self._translate(schema, prefix, "")
        if field in ("apiVersion", "kind"):
            result.pop("enum", None)
        choices = values_of(owner, field)
        if choices:
            result["enum"] = choices
            result["description"] = described(owner, field, result.get("description", ""))
        return result


def _gvk(resource: Resource) -> Obj:
    return {"group": resource.group, "version": resource.version, "kind": resource.kind}


def _operation(resource: Resource) -> Obj:
    parameters = [{"name": name, "in": "query", "schema": {"type": "string"}} for name in QUERY]
    return {
        "parameters": parameters,
        "responses": {"200": {"description": "OK"}},
        "x-kubernetes-group-version-kind": _gvk(resource),
    }
