"""Schedules of CronJobs, refused in the words of the library by which a real cluster reads them."""

from collections.abc import Mapping
from zoneinfo import ZoneInfo

DESCRIPTORS = ("@yearly", "@annually", "@monthly", "@weekly", "@daily", "@midnight", "@hourly")
MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
DAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
Field = tuple[int, int, Mapping[str, int]]  # least, most, names
FIELDS: tuple[Field, ...] = (
    (0, 59, {}),
    (0, 23, {}),
    (1, 31, {}),
    (1, 12, {name: i + 1 for i, name in enumerate(MONTHS)}),
    (0, 6, {name: i for i, name in enumerate(DAYS)}),
)


def schedule_error(schedule: str) -> str | None:
    """Why it is no schedule, or None."""
    if "TZ" in schedule:
        return "cannot use TZ or CRON_TZ in schedule, use timeZone field instead"
    if schedule.startswith("@"):
        return None if schedule in DESCRIPTORS else f"unrecognized descriptor: {schedule}"
    parts = schedule.split()
    if len(parts) != 5:
        return f"expected exactly 5 fields, found {len(parts)}: [{' '.join(parts)}]"
    try:
        for part, field in zip(parts, FIELDS, strict=True):
            for piece in filter(None, part.split(",")):
                _check(piece, *field)
    except ValueError as error:
        return str(error)
    return None


def zone_error(zone: str) -> str | None:
    """Why it is no time zone, or None."""
    if not zone:
        return "timeZone must be nil or non-empty string"
    if zone.lower() == "local":
        return (
            "timeZone must be an explicit time zone as defined in https://www.iana.org/time-zones"
        )
    try:
        ZoneInfo(zone)
    except (KeyError, OSError, ValueError):
        return f"unknown time zone {zone}"
    return None


def _check(piece: str, least: int, most: int, names: Mapping[str, int]) -> None:
    """One range with its step, as ``1-5/2``. ValueError."""
    bounds, *steps = piece.split("/")
    low, *high = bounds.split("-")
    first, last = least, most
    if low not in ("*", "?"):
        first = _number(low, names)
        if len(high) > 1:
            raise ValueError(f"too many hyphens: {piece}")
        last = _number(high[0], names) if high else first
    if len(steps) > 1:
        raise ValueError(f"too many slashes: {piece}")
    step = _number(steps[0], {}) if steps else 1
    if steps and not high:
        last = most
    if first < least:
        raise ValueError(f"beginning of range ({first}) below minimum ({least}): {piece}")
    if last > most:
        raise ValueError(f"end of range ({last}) above maximum ({most}): {piece}")
    if first > last:
        raise ValueError(f"beginning of range ({first}) beyond end of range ({last}): {piece}")
    if step == 0:
        raise ValueError(f"step of range should be a positive number: {piece}")


def _number(text: str, names: Mapping[str, int]) -> int:
    if text.lower() in names:
        return names[text.lower()]
    if not text.isascii() or not text.removeprefix("-").removeprefix("+").isdigit():
        raise ValueError(
            f'failed to parse int from {text}: strconv.Atoi: parsing "{text}": invalid syntax'
        )
    if int(text) < 0:
        raise ValueError(f"negative number ({int(text)}) not allowed: {text}")
    return int(text)
