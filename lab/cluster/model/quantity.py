"""``resource.Quantity``: amounts such as ``100m``, ``1.5Gi`` or ``2e3``, exactly."""

import re
from collections.abc import Iterable
from decimal import ROUND_CEILING, Decimal

PATTERN = re.compile(
    r"^([+-]?(?:\d+\.?\d*|\.\d+))(m|n|u|k|M|G|T|P|E|Ki|Mi|Gi|Ti|Pi|Ei|[eE][+-]?\d+)?$"
)
ERROR = (
    "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'"
)
DECIMAL = {"n": -9, "u": -6, "m": -3, "": 0, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18}
BINARY = {"Ki": 1, "Mi": 2, "Gi": 3, "Ti": 4, "Pi": 5, "Ei": 6}


def parse(text: str | int | float) -> Decimal:
    """Its value in base units (cores, bytes, pieces); ValueError when it is no quantity.

    >>> parse("1.5Gi"), parse("100m")
    (Decimal('1610612736.0'), Decimal('0.100'))
    """
    match = PATTERN.match(str(text))
    if not match:
        raise ValueError(ERROR)
    number, suffix = Decimal(match[1]), match[2] or ""
    if suffix in BINARY:
        return number * Decimal(1024) ** BINARY[suffix]
    if suffix in DECIMAL:
        return number.scaleb(DECIMAL[suffix])
    return number.scaleb(int(suffix[1:]))


def canonical(text: str | int | float) -> str:
    """The form in which Kubernetes keeps it: the largest suffix of its family that leaves a whole
    number.

    >>> canonical("1024Mi"), canonical("0.2"), canonical("1000m"), canonical(1)
    ('1Gi', '200m', '1', '1')
    """
    value, match = parse(text), PATTERN.match(str(text))
    suffix = match[2] if match else ""
    if suffix in BINARY and abs(value) >= 1024:
        return format_binary(value)
    if suffix and suffix[0] in "eE" and suffix not in DECIMAL and suffix not in BINARY:
        return format_exponent(value)
    return format_decimal(value)


def total(amounts: Iterable[str | int | float]) -> str:
    """The sum, in the family of suffixes of the first that is not zero.

    >>> total(["0", "64Mi", "1Gi"]), total(["500m", "1"]), total([])
    ('1088Mi', '1500m', '0')
    """
    some = [amount for amount in amounts if parse(amount)]
    value = sum((parse(amount) for amount in some), Decimal(0))
    match = PATTERN.match(str(some[0])) if some else None
    return (
        format_binary(value)
        if match and match[2] in BINARY and value >= 1024
        else format_decimal(value)
    )


def format_binary(value: Decimal) -> str:
    """As ``Ki``, ``Mi`` …; whole bytes."""
    number, power = int(value.to_integral_value(ROUND_CEILING)), 0
    while number and number % 1024 == 0 and power < 6:
        number, power = number // 1024, power + 1
    return f"{number}{['', *BINARY][power]}"


def format_decimal(value: Decimal) -> str:
    """As ``m``, ``k``, ``M`` …; never finer than ``n``."""
    if value == 0:
        return "0"
    nano = int((value * 10**9).to_integral_value(ROUND_CEILING))
    exponent = -9
    while nano % 1000 == 0 and exponent < 18:
        nano, exponent = nano // 1000, exponent + 3
    return f"{nano}{next(s for s, e in DECIMAL.items() if e == exponent)}"


def format_exponent(value: Decimal) -> str:
    text = format_decimal(value)
    suffix = text.lstrip("-0123456789")
    return text if not suffix else f"{text.removesuffix(suffix)}e{DECIMAL[suffix]}"
