"""OpenAPI v2 in gnostic's protobuf encoding, as far as kubectl reads it."""

import json
from typing import Any

from lab.cluster.model.objects import Obj

# Fields of Document.
SWAGGER, INFO, PATHS, DEFINITIONS = 1, 2, 8, 9
# Fields of Schema.
REF, FORMAT, DESCRIPTION, REQUIRED, ADDITIONAL = 1, 2, 4, 19, 21
TYPE, ITEMS, PROPERTIES, VENDOR = 22, 23, 25, 31


def encode(document: Obj) -> bytes:
    """The document: its definitions with their kinds, and its title; no paths."""
    info = _text(1, document["info"]["title"]) + _text(2, document["info"]["version"])
    definitions = b"".join(
        _message(1, _named(name, _schema(s))) for name, s in document["definitions"].items()
    )
    return (
        _text(SWAGGER, document["swagger"])
        + _message(INFO, info)
        + _message(PATHS, b"")
        + _message(DEFINITIONS, definitions)
    )


def _varint(number: int) -> bytes:
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


def _message(field: int, data: bytes) -> bytes:
    return _varint(field << 3 | 2) + _varint(len(data)) + data


def _text(field: int, value: str) -> bytes:
    return _message(field, value.encode()) if value else b""


def _named(name: str, value: bytes) -> bytes:
    return _text(1, name) + _message(2, value)


def _schema(schema: Obj) -> bytes:
    out = (
        _text(REF, schema.get("$ref", ""))
        + _text(FORMAT, schema.get("format", ""))
        + _text(DESCRIPTION, schema.get("description", ""))
    )
    out += b"".join(_text(REQUIRED, name) for name in schema.get("required") or [])
    extra = schema.get("additionalProperties")
    if isinstance(extra, dict):
        out += _message(ADDITIONAL, _message(1, _schema(extra)))
    if schema.get("type"):
        out += _message(TYPE, _text(1, schema["type"]))
    if isinstance(schema.get("items"), dict):
        out += _message(ITEMS, _message(1, _schema(schema["items"])))
    if schema.get("properties"):
        out += _message(
            PROPERTIES,
            b"".join(
                _message(1, _named(name, _schema(s))) for name, s in schema["properties"].items()
            ),
        )
    return out + b"".join(
        _message(VENDOR, _extension(key, value))
        for key, value in schema.items()
        if key.startswith("x-kubernetes-")
    )


def _extension(key: str, value: Any) -> bytes:
    """A vendor extension: its value as YAML, which JSON is."""
    return _named(key, _text(2, json.dumps(value) + "\n"))
