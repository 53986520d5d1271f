"""Errors as the API reports them: a ``Status`` with a code, a reason and a sentence."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from lab.cluster.model.objects import Obj


class APIError(Exception):
    """Why a request is refused; ``details`` is the Status's field of that name."""

    def __init__(self, code: int, reason: str, message: str, details: Obj | None = None) -> None:
        super().__init__(message)
        self.code, self.reason, self.message, self.details = code, reason, message, details

    def status(self) -> Obj:
        body: Obj = {
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {},
            "status": "Failure",
            "message": self.message,
        }
        if self.reason:
            body["reason"] = self.reason
        if self.details:
            body["details"] = self.details
        return body | {"code": self.code}


def details(group: str, kind: str, name: str = "", **more: Any) -> Obj:
    fields: Obj = {"name": name, "group": group, "kind": kind} | more
    return {key: value for key, value in fields.items() if value}


def qualified(plural: str, group: str) -> str:
    """``deployments.apps``, or ``pods`` of the core group."""
    return f"{plural}.{group}" if group else plural


def not_found(group: str, plural: str, name: str) -> APIError:
    return APIError(
        404,
        "NotFound",
        f'{qualified(plural, group)} "{name}" not found',
        details(group, plural, name),
    )


def already_exists(group: str, plural: str, name: str) -> APIError:
    message = f'{qualified(plural, group)} "{name}" already exists'
    return APIError(409, "AlreadyExists", message, details(group, plural, name))


def conflict(group: str, plural: str, name: str, why: str = "") -> APIError:
    why = why or (
        "the object has been modified; please apply your changes to the latest version and try"
        " again"
    )
    message = f'Operation cannot be fulfilled on {qualified(plural, group)} "{name}": {why}'
    return APIError(409, "Conflict", message, details(group, plural, name))


def forbidden(group: str, plural: str, name: str, why: str) -> APIError:
    subject = f'{qualified(plural, group)} "{name}"' if name else qualified(plural, group)
    return APIError(
        403, "Forbidden", f"{subject} is forbidden: {why}", details(group, plural, name)
    )


def bad_request(message: str) -> APIError:
    return APIError(400, "BadRequest", message)


def method_not_allowed(method: str, plural: str, group: str) -> APIError:
    message = f'{method} is not supported on resources of kind "{qualified(plural, group)}"'
    return APIError(405, "MethodNotAllowed", message, details(group, plural))


def no_such_path() -> APIError:
    return APIError(404, "NotFound", "the server could not find the requested resource", {})


def expired(message: str) -> APIError:
    return APIError(410, "Expired", message)


def unsupported_media_type(*accepted: str) -> APIError:
    listed = ", ".join(accepted)
    why = (
        f"the body of the request was in an unknown format - accepted media types include: {listed}"
    )
    return APIError(415, "UnsupportedMediaType", why)


def too_many(message: str, reason: str, why: str) -> APIError:
    """429: not now, for that reason."""
    return APIError(
        429, "TooManyRequests", message, {"causes": [{"reason": reason, "message": why}]}
    )


def rejected() -> APIError:
    """422 for a patch that cannot be done to the object as it is."""
    return APIError(
        422, "Invalid", "the server rejected our request due to an error in our request", {}
    )


def internal(message: str) -> APIError:
    return APIError(500, "InternalError", f"Internal error occurred: {message}")


@dataclass(frozen=True)
class FieldError:
    """One field that is wrong: the type of the error, the field's path, and the sentence."""

    kind: str
    path: str
    sentence: str


def go_value(value: Any) -> str:
    """A value as field errors quote it."""
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False)
    if isinstance(value, bool):
        return "true" if value else "false"
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


def go_print(value: Any) -> str:
    """A value as Go's ``%v`` prints it."""
    if isinstance(value, dict):
        return (
            f"map[{' '.join(f'{key}:{go_print(child)}' for key, child in sorted(value.items()))}]"
        )
    if isinstance(value, list):
        return f"[{' '.join(map(go_print, value))}]"
    return (
        "<nil>" if value is None else str(value).lower() if isinstance(value, bool) else str(value)
    )


def required(path: str, why: str = "") -> FieldError:
    return FieldError("FieldValueRequired", path, "Required value" + (f": {why}" if why else ""))


def invalid_value(path: str, value: Any, why: str) -> FieldError:
    return FieldError("FieldValueInvalid", path, f"Invalid value: {go_value(value)}: {why}")


def unsupported(path: str, value: Any, supported: Sequence[str]) -> FieldError:
    choices = ", ".join(go_value(choice) for choice in supported)
    return FieldError(
        "FieldValueNotSupported",
        path,
        f"Unsupported value: {go_value(value)}: supported values: {choices}",
    )


def duplicate(path: str, value: Any) -> FieldError:
    return FieldError("FieldValueDuplicate", path, f"Duplicate value: {go_value(value)}")


def field_not_found(path: str, value: Any) -> FieldError:
    return FieldError("FieldValueNotFound", path, f"Not found: {go_value(value)}")


def field_forbidden(path: str, why: str) -> FieldError:
    return FieldError("FieldValueForbidden", path, f"Forbidden: {why}")


def too_long(path: str, limit: int) -> FieldError:
    return FieldError("FieldValueTooLong", path, f"Too long: may not be more than {limit} bytes")


def invalid(group: str, kind: str, name: str, errors: Sequence[FieldError]) -> APIError:
    """422 with all that is wrong, each thing once, in the order found."""
    errors = list(dict.fromkeys(errors))
    sentences = [f"{error.path}: {error.sentence}" for error in errors]
    listed = sentences[0] if len(sentences) == 1 else f"[{', '.join(sentences)}]"
    causes = [{"reason": e.kind, "message": e.sentence, "field": e.path} for e in errors]
    message = f'{qualified(kind, group)} "{name}" is invalid: {listed}'
    return APIError(422, "Invalid", message, details(group, kind, name, causes=causes))
