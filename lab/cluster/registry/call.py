"""What goes with a request to the registry besides the object itself."""

from dataclasses import dataclass, field

from lab.cluster.model.objects import Obj


@dataclass
class Call:
    """How a request is made: by which field manager, for which subresource, whether for real."""

    manager: str = "unknown"
    subresource: str = ""
    dry_run: bool = False
    validation: str = "Strict"
    warnings: list[str] = field(default_factory=list)
    patch: Obj | None = None  # a strategic patch, to be shown when it cannot be done


@dataclass(frozen=True)
class DeleteOptions:
    """How an object goes: how soon, before or after its dependents, and which one is meant."""

    grace_seconds: int | None = None
    propagation: str | None = None
    uid: str | None = None
    revision: str | None = None
