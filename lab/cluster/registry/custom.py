"""Custom resources: their objects are held to the schema in their definition, by the ``jsonschema``
library.
"""

from typing import Any, cast

from jsonschema import Draft202012Validator
from jsonschema.exceptions import ValidationError

from lab.cluster.model.errors import FieldError, invalid_value, required, unsupported
from lab.cluster.model.objects import Obj
from lab.cluster.model.schema import json_kind


def errors_of(obj: Obj, schema: Obj) -> list[FieldError]:
    """What is wrong with an object by its definition's schema, as field errors."""
    bare = {
        key: value
        for key, value in schema.get("properties", {}).items()
        if key not in ("metadata", "apiVersion", "kind")
    }
    validator = Draft202012Validator(_plain(schema | {"properties": bare}))
    found = sorted(
        validator.iter_errors(obj), key=lambda error: list(map(str, error.absolute_path))
    )
    return [_field_error(error) for error in found]


def _plain(schema: Any) -> Any:
    """The schema without what JSON schema does not know, ``nullable`` turned into a type."""
    if isinstance(schema, list):
        return [_plain(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    plain = {
        key: _plain(value)
        for key, value in schema.items()
        if not key.startswith("x-") and key != "nullable"
    }
    if schema.get("nullable") and isinstance(schema.get("type"), str):
        plain["type"] = [schema["type"], "null"]
    return plain


def _field_error(error: ValidationError) -> FieldError:
    path, wanted = "", cast(Any, error.validator_value)
    for part in error.absolute_path:
        path += f"[{part}]" if isinstance(part, int) else f".{part}" if path else str(part)
    match error.validator:
        case "type":
            kind = {
                "number": "integer" if isinstance(error.instance, int) else "number",
                "bool": "boolean",
            }.get(json_kind(error.instance), json_kind(error.instance))
            return FieldError(
                "FieldValueTypeInvalid",
                path,
                f'Invalid value: "{kind}": {path} in body must be of type {error.validator_value}:'
                f' "{kind}"',
            )
        case "required":
            missing = next(name for name in wanted if name not in cast(Any, error.instance))
            return required(f"{path}.{missing}" if path else missing)
        case "enum":
            return unsupported(path, error.instance, [str(choice) for choice in wanted])
        case "minimum":
            return invalid_value(
                path,
                error.instance,
                f"{path} in body should be greater than or equal to {error.validator_value}",
            )
        case "maximum":
            return invalid_value(
                path,
                error.instance,
                f"{path} in body should be less than or equal to {error.validator_value}",
            )
        case "pattern":
            return invalid_value(
                path, error.instance, f"{path} in body should match '{error.validator_value}'"
            )
    return invalid_value(path, error.instance, f"{path} in body: {error.message}")
