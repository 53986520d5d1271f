"""Schemas of all kinds, and strict decoding by them: unknown fields, wrong types and bad
quantities, in the API server's own words.

They come from the package ``kubernetes-validate``, which carries Kubernetes' published OpenAPI
definitions with their ``x-kubernetes-`` extensions (merge keys, list types, kinds). A schema here
is one of those definitions: JSON in a dictionary.
"""

import base64
import binascii
import json
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from lab.cluster.model import quantity
from lab.cluster.model.errors import APIError
from lab.cluster.model.objects import Obj
from lab.cluster.model.resources import Resource

RELEASE = "v1.36.0-local"
PREFIX = "#/$defs/"
OBJECT_META = "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta"
QUANTITY = "io.k8s.apimachinery.pkg.api.resource.Quantity"
INT_OR_STRING = "io.k8s.apimachinery.pkg.util.intstr.IntOrString"
TIMES = (
    "io.k8s.apimachinery.pkg.apis.meta.v1.Time",
    "io.k8s.apimachinery.pkg.apis.meta.v1.MicroTime",
)
ANYTHING = (
    "io.k8s.apimachinery.pkg.runtime.RawExtension "
    "io.k8s.apimachinery.pkg.apis.meta.v1.FieldsV1 "
    "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.JSON "
    "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.JSONSchemaPropsOrArray "
    "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.JSONSchemaPropsOrBool "
    "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.JSONSchemaPropsOrStringArray"
).split()
# Plain (not pointer) fields of the Go structures: their zero is written as absence.
OMIT_ZERO = frozenset(
    (
        "hostNetwork hostPID hostIPC paused minReadySeconds initialDelaySeconds readOnly "
        "stdin stdinOnce tty hostPort unschedulable publishNotReadyAddresses nodePort value "
        "clusterIP nodeName hostname subdomain subPath serviceAccountName serviceAccount "
        "generateName nominatedNodeName workingDir namespace hostIP externalName volumeName "
        "priorityClassName healthCheckNodePort loadBalancerIP"
    ).split()
)
KEPT_NULLS = (
    "lastProbeTime firstTimestamp lastTimestamp eventTime currentMetrics".split()
)  # what Go writes even when it is unset
LARGEST = {"int32": 2**31 - 1, "int64": 2**63 - 1}


def load() -> dict[str, Obj]:
    """All definitions by name. Importing the package would take most of a second."""
    package = find_spec("kubernetes_validate")
    if package is None or not package.submodule_search_locations:
        raise FileNotFoundError(
            "the package kubernetes-validate, which has the schemas, is not installed"
        )
    folder = Path(package.submodule_search_locations[0]) / "kubernetes-json-schema" / RELEASE
    return dict(json.loads((folder / "_definitions.json").read_text())["$defs"])


class Schemas:
    """What each kind looks like: the OpenAPI definitions, found by name, by reference and by kind.

    Decoding, defaults of custom resources, strategic merge, managed fields and ``kubectl explain``
    all go by them.
    """

    def __init__(self) -> None:
        self.definitions = load()
        self._kinds: dict[tuple[str, str, str], str] = {}
        for name, definition in self.definitions.items():
            for gvk in definition.get("x-kubernetes-group-version-kind") or []:
                self._kinds[gvk["group"], gvk["version"], gvk["kind"]] = name

    def name_of_kind(self, group: str, version: str, kind: str) -> str | None:
        return self._kinds.get((group, version, kind))

    def of(self, resource: Resource) -> Obj:
        """The schema of a resource's objects; a custom one's has metadata added."""
        if resource.crd is not None:
            return self._custom(resource.crd)
        name = self.name_of_kind(resource.group, resource.version, resource.kind)
        return self.definitions[name] if name else {}

    def of_kind(self, group: str, version: str, kind: str) -> Obj:
        name = self.name_of_kind(group, version, kind)
        return self.definitions[name] if name else {}

    def _custom(self, version: Obj) -> Obj:
        given = (version.get("schema") or {}).get("openAPIV3Schema") or {
            "x-kubernetes-preserve-unknown-fields": True
        }
        standard = {"apiVersion": {"type": "string"}, "kind": {"type": "string"}}
        properties = (
            (given.get("properties") or {})
            | standard
            | {"metadata": {"$ref": PREFIX + OBJECT_META}}
        )
        return given | {"type": "object", "properties": properties}

    def resolve(self, schema: Obj | None) -> Obj:
        """The schema that a reference names, with what the place of the reference adds."""
        if not schema or "$ref" not in schema:
            return schema or {}
        extensions = {key: value for key, value in schema.items() if key.startswith("x-")}
        return self.definitions[schema["$ref"].removeprefix(PREFIX)] | extensions

    def child(self, schema: Obj, key: str) -> Obj:
        """The schema of a field of a structure or of a map's values; empty when unknown."""
        properties = schema.get("properties") or {}
        if key in properties:
            return self.resolve(properties[key])
        values = schema.get("additionalProperties")
        return self.resolve(values) if isinstance(values, dict) else {}

    def item(self, schema: Obj) -> Obj:
        return self.resolve(schema.get("items"))

    def decode(self, obj: Obj, resource: Resource) -> "Decoded":
        """``obj`` as the server takes it in: nulls and unknown fields gone, quantities canonical.

        MistypedError (400) for a value of a wrong type. Unknown fields are only listed: what
        becomes of them is the request's choice.
        """
        decoder = _Decoder(self, go_json=resource.crd is None)
        value = decoder.decode(obj, self.of(resource), "", "", resource.kind)
        if decoder.failure:
            raise MistypedError(resource, decoder.failure, decoder.conversion or decoder.failure)
        return Decoded(value, decoder.unknown)


class MistypedError(APIError):
    """A value is not of its field's type.

    ``conversion`` is how the server's other way of decoding, for strategic patches, says so.
    """

    def __init__(self, resource: Resource, why: str, conversion: str) -> None:
        super().__init__(400, "BadRequest", cannot_handle(resource, why))
        self.why, self.conversion = why, conversion


@dataclass
class Decoded:
    """An object by its schema, and a sentence for each field that the schema does not have."""

    obj: Obj
    unknown: list[str] = field(default_factory=list)


def cannot_handle(resource: Resource, why: str) -> str:
    return (
        f'{resource.kind} in version "{resource.version}" cannot be handled as a {resource.kind}:'
        f" {why}"
    )


def types(schema: Obj) -> set[str]:
    kinds = schema.get("type", [])
    return {kinds} if isinstance(kinds, str) else set(kinds)


def json_kind(value: Any) -> str:
    """What encoding/json calls the kind of a value."""
    if isinstance(value, bool):
        return "bool"
    if isinstance(value, int | float):
        return "number"
    return (
        "string"
        if isinstance(value, str)
        else "object"
        if isinstance(value, dict)
        else "array"
        if isinstance(value, list)
        else "null"
    )


GO_KINDS = {"bool": "bool", "object": "map", "array": "slice", "string": "string"}


def _not_converted(value: Any, wanted: str) -> str:
    """Why the converter of unstructured objects cannot make that Go type of a value."""
    kind = GO_KINDS.get(json_kind(value)) or ("float64" if isinstance(value, float) else "int64")
    if wanted.startswith("[]"):
        return f"cannot restore slice from {kind}"
    if wanted.startswith("map["):
        return f"cannot restore map from {kind}"
    if "." in wanted:
        return f"cannot restore struct from: {kind}"
    return (
        f"cannot convert {kind} to {wanted}"
        if kind in ("int64", "float64") and wanted != "bool"
        else f"unrecognized type: {wanted}"
    )


class _Decoder:
    def __init__(self, schemas: Schemas, go_json: bool) -> None:
        self.schemas, self.go_json = schemas, go_json
        self.unknown: list[str] = []
        self.failure = self.conversion = ""

    def decode(self, value: Any, schema: Obj, path: str, fields: str, struct: str) -> Any:
        """``path`` has indices (``spec.containers[0].image``), ``fields`` none; ``struct`` is the
        Go structure around.
        """
        ref = schema.get("$ref", "").removeprefix(PREFIX)
        if ref == QUANTITY:
            return self._quantity(value)
        if ref == INT_OR_STRING or schema.get("x-kubernetes-int-or-string"):
            return (
                value
                if isinstance(value, str) or type(value) is int
                else self._mistype(value, fields, struct, "intstr.IntOrString")
            )
        if ref in TIMES or ref in ANYTHING:
            return value
        known = self.schemas.resolve(schema)
        if isinstance(value, dict) and ("properties" in known or "object" in types(known)):
            return self._object(value, known, path, fields, ref.rpartition(".")[2] or struct)
        if isinstance(value, list) and "array" in types(known):
            return self._list(value, known, path, fields, struct)
        return self._scalar(value, known, fields, struct, schema)

    def _object(self, value: Obj, schema: Obj, path: str, fields: str, struct: str) -> Obj:
        properties = schema.get("properties") or {}
        extra = schema.get("additionalProperties")
        free = not properties and not extra and self.go_json
        found: Obj = {}
        for key, child in value.items():
            inner = f"{path}.{key}" if path else key
            if key in properties:
                if child is None and key in KEPT_NULLS:
                    found[key] = None
                elif child is not None and not self._omitted(key, child, properties[key]):
                    found[key] = self.decode(
                        child, properties[key], inner, f"{fields}.{key}", struct
                    )
            elif isinstance(extra, dict):
                if child is not None:
                    found[key] = self.decode(child, extra, inner, fields, struct)
            elif free or extra is True or schema.get("x-kubernetes-preserve-unknown-fields"):
                found[key] = child
            else:
                self.unknown.append(f'unknown field "{inner}"')
        return found

    def _omitted(self, key: str, value: Any, schema: Obj) -> bool:
        """Whether Go leaves the value out: an empty list or map, the zero of a plain field."""
        if not self.go_json:
            return False
        if value in ({}, []):
            known = self.schemas.resolve(schema)
            return "array" in types(known) or bool(known.get("additionalProperties"))
        return key in OMIT_ZERO and value in ("", 0, False)

    def _list(
        self, value: list[Any], schema: Obj, path: str, fields: str, struct: str
    ) -> list[Any]:
        item = schema.get("items") or {}
        zero = self._zero(item)  # what Go makes of a null in a list
        return [
            self.decode(zero if child is None else child, item, f"{path}[{i}]", fields, struct)
            for i, child in enumerate(value)
        ]

    def _zero(self, schema: Obj) -> Any:
        known = self.schemas.resolve(schema)
        if "properties" in known or "object" in types(known):
            return {}
        return (
            "" if "string" in types(known) else 0 if types(known) & {"integer", "number"} else None
        )

    def _scalar(self, value: Any, schema: Obj, fields: str, struct: str, declared: Obj) -> Any:
        wanted = types(schema)
        if (
            not self.go_json
            or not wanted
            or value is None
            or (json_kind(value) == "bool" and "boolean" in wanted)
        ):
            return value
        if isinstance(value, str) and "string" in wanted:
            return self._bytes(value) if schema.get("format") == "byte" else value
        if isinstance(value, float) and value.is_integer():
            value = int(value)
        if json_kind(value) == "number":
            if "number" in wanted:
                return value
            if "integer" in wanted and isinstance(value, int):
                limit = LARGEST[schema.get("format") or "int64"]
                return (
                    value
                    if -limit - 1 <= value <= limit
                    else self._mistype(value, fields, struct, self._go_type(declared), exact=True)
                )
        return self._mistype(
            value, fields, struct, self._go_type(declared), exact="integer" in wanted
        )

    def _mistype(
        self, value: Any, fields: str, struct: str, wanted: str, *, exact: bool = False
    ) -> Any:
        kind = json_kind(value)
        shown = f"{kind} {json.dumps(value)}" if exact and kind == "number" else kind
        place = f"Go struct field {struct}{fields}" if fields else "Go value"
        self.failure = (
            self.failure or f"json: cannot unmarshal {shown} into {place} of type {wanted}"
        )
        self.conversion = self.conversion or _not_converted(value, wanted)
        return value

    def _quantity(self, value: Any) -> Any:
        try:
            return (
                quantity.canonical(value)
                if json_kind(value) in ("string", "number")
                else self._bad_quantity(value)
            )
        except (ValueError, ArithmeticError):
            return self._bad_quantity(value)

    def _bad_quantity(self, value: Any) -> Any:
        self.failure = self.failure or quantity.ERROR
        return value

    def _bytes(self, value: str) -> str:
        try:
            base64.b64decode(value, validate=True)
        except (binascii.Error, ValueError):
            self.failure = self.failure or "illegal base64 data at input byte 0"
        return value

    def _go_type(self, schema: Obj) -> str:
        if "$ref" in schema:
            name = schema["$ref"].removeprefix(PREFIX)
            resolved = self.schemas.definitions[name]
            if "properties" in resolved or "object" in types(resolved):
                *_, version, struct = name.split(".")
                return f"{version}.{struct}"
            schema = resolved
        wanted = types(schema) - {"null"}
        if "array" in wanted:
            return "[]" + self._go_type(schema.get("items") or {})
        if "object" in wanted:
            return "map[string]" + self._go_type(schema.get("additionalProperties") or {})
        if "integer" in wanted:
            return str(schema.get("format") or "int64")
        if "number" in wanted:
            return "float64"
        return "bool" if "boolean" in wanted else "string"
