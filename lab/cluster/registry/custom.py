"""Custom resources: filled in by their definition's schema, and held to it by ``jsonschema``."""

from typing import TYPE_CHECKING, Any, cast

from lab.cluster.model.errors import FieldError, invalid_value, required, unsupported
from lab.cluster.model.objects import Obj, copy
from lab.cluster.model.schema import json_kind

if TYPE_CHECKING:
    from jsonschema.exceptions import ValidationError


def errors_of(obj: Obj, schema: Obj) -> list[FieldError]:
    """What is wrong with an object by its definition's schema, as field errors."""
    # Not above: the library costs seconds of starting time, and few clusters have custom resources.
    from jsonschema import Draft202012Validator

    bare = {
        key: value
        for key, value in schema.get("properties", {}).items()
        if key not in ("metadata", "apiVersion", "kind")
    }
    validator = Draft202012Validator(_plain(schema | {"properties": bare}))
    errors = validator.iter_errors(obj)
    in_order = sorted(errors, key=lambda error: list(map(str, error.absolute_path)))
    return [_field_error(error) for error in in_order]


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


def _field_error(error: "ValidationError") -> FieldError:
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


def fill_in(value: Any, schema: Obj) -> None:
    """Fill in, in place, the defaults of a custom resource's schema, outermost first."""
    if isinstance(value, dict):
        properties = schema.get("properties") or {}
        for key, inner in properties.items():
            if "default" in inner and value.get(key) is None:
                value[key] = copy(inner["default"])
        others = schema.get("additionalProperties")
        for key, child in value.items():
            fill_in(child, properties.get(key) or (others if isinstance(others, dict) else {}))
    elif isinstance(value, list):
        items = schema.get("items")
        for child in value:
            fill_in(child, items if isinstance(items, dict) else {})
