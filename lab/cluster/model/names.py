"""The grammar of names in Kubernetes: DNS labels and subdomains, label values, qualified names.

Each check says, in the API server's words, why a text is none, or None.
"""

import re

LABEL_FORMAT = "[a-z0-9]([-a-z0-9]*[a-z0-9])?"
LABEL = re.compile(LABEL_FORMAT)
LABEL_ERROR = (
    "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and"
    " must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used"
    f" for validation is '{LABEL_FORMAT}')"
)
SUBDOMAIN_FORMAT = rf"{LABEL_FORMAT}(\.{LABEL_FORMAT})*"
SUBDOMAIN = re.compile(SUBDOMAIN_FORMAT)
SUBDOMAIN_ERROR = (
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or"
    " '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used"
    f" for validation is '{SUBDOMAIN_FORMAT}')"
)
DNS1035_FORMAT = "[a-z]([-a-z0-9]*[a-z0-9])?"
DNS1035 = re.compile(DNS1035_FORMAT)
DNS1035_ERROR = (
    "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an"
    " alphabetic character, and end with an alphanumeric character (e.g. 'my-name',  or 'abc-123',"
    f" regex used for validation is '{DNS1035_FORMAT}')"
)
VALUE_FORMAT = "(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?"
VALUE = re.compile(VALUE_FORMAT)
VALUE_ERROR = (
    "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.',"
    " and must start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or"
    f" '12345', regex used for validation is '{VALUE_FORMAT}')"
)
NAME_FORMAT = "([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]"
NAME = re.compile(NAME_FORMAT)
NAME_ERROR = (
    "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end"
    " with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for"
    f" validation is '{NAME_FORMAT}')"
)


def is_label(text: str) -> str | None:
    """Why it is no DNS label, or None."""
    if len(text) > 63:
        return "must be no more than 63 bytes"
    return None if LABEL.fullmatch(text) else LABEL_ERROR


def is_subdomain(text: str) -> str | None:
    if len(text) > 253:
        return "must be no more than 253 bytes"
    return None if SUBDOMAIN.fullmatch(text) else SUBDOMAIN_ERROR


def is_dns1035(text: str) -> str | None:
    if len(text) > 63:
        return "must be no more than 63 bytes"
    return None if DNS1035.fullmatch(text) else DNS1035_ERROR


def is_label_value(text: str) -> str | None:
    if len(text) > 63:
        return "must be no more than 63 bytes"
    return None if VALUE.fullmatch(text) else VALUE_ERROR


def is_qualified_name(text: str) -> str | None:
    """Why it is no ``prefix/name``, or None."""
    prefix, slash, name = text.rpartition("/")
    if slash and not prefix:
        return "prefix part must be non-empty"
    if prefix and (why := is_subdomain(prefix)):
        return f"prefix part {why}"
    if not name:
        return "name part must be non-empty"
    if len(name) > 63:
        return "name part must be no more than 63 bytes"
    return None if NAME.fullmatch(name) else NAME_ERROR
