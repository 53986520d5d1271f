"""What all nouns of Kubernetes have in common: a name in the namespace, a uid, labels.

Whoever makes an object chooses its name, its labels and its owners; only the cluster writes its uid
and the time at which it was created.
"""

from __future__ import annotations

from functools import cached_property

from grader.checks import cluster
from grader.checks.cluster import Json
from grader.checks.commandline import shell_word
from grader.checks.deadline import eventually
from grader.checks.engine import near
from grader.checks.verdict import CheckFailed, listed, quoted


class ClusterObject:
    """An object of the cluster, in the namespace that kubectl works in. Facts of one that does not
    exist raise `CheckFailed`.
    """

    _kind = ""
    _plural = ""
    _api = "/api/v1"
    _made_by = ""  # the command that makes one

    def __init__(self, name: str) -> None:
        self.name = name

    def __repr__(self) -> str:
        return f"{self._noun}({self.name!r})"

    @property
    def exists(self) -> bool:
        """Whether there is one of this name."""
        return self._found() is not None

    @property
    def uid(self) -> str:
        """What tells it from all others that ever had or will have its name."""
        return str(self._object()["metadata"]["uid"])

    @property
    def created(self) -> str:
        """When the cluster took it, to the second, as `2026-01-31T12:00:00Z`: such texts are in the
        order of time.
        """
        return str(self._object()["metadata"]["creationTimestamp"])

    @property
    def labels(self) -> dict[str, str]:
        """Its labels."""
        return dict(self._object()["metadata"].get("labels") or {})

    def must_exist(self) -> None:
        """There is one of this name."""
        self._object()

    def must_not_exist(self, *, within_seconds: float = 10) -> None:
        """There is none of this name; waits for a removal under way."""

        def look() -> None:
            if self.exists:
                raise CheckFailed(
                    f"The {self._kind} `{self.name}` still exists.",
                    f"no {self._kind} named `{self.name}`.",
                    f"kubectl delete {self._typed}",
                )

        eventually(look, within_seconds)

    def must_have_label(self, spec: str) -> None:
        """It has the label `key`, or `key=value`, spelled as after `--labels`."""
        key, equals, value = spec.partition("=")
        labels = self.labels
        if key in labels and (not equals or labels[key] == value):
            return
        others = f" Its labels: {_pairs(labels)}." if labels else " It has no labels."
        overwrite = "--overwrite " if key in labels else ""
        raise CheckFailed(
            (
                f"The label `{key}` of `{self.name}` is {quoted(labels[key])}."
                if key in labels
                else f"`{self.name}` has no label `{key}`.{others}"
            ),
            f"the label {quoted(spec)}.",
            f"kubectl label {overwrite}{self._typed} {spec if equals else f'{key}=VALUE'}",
        )

    def must_not_have_label(self, key: str) -> None:
        """It has no label of this key."""
        labels = self.labels
        if key in labels:
            raise CheckFailed(
                f"`{self.name}` has the label {quoted(f'{key}={labels[key]}')}.",
                f"`{self.name}` without a label `{key}`.",
                f"kubectl label {self._typed} {key}-",
            )

    @property
    def _noun(self) -> str:
        return self._kind.lower()

    @property
    def _typed(self) -> str:
        """It, as one types it after a verb of kubectl."""
        return f"{self._noun} {shell_word(self.name)}"

    @property
    def _slashed(self) -> str:
        """It, as one types it where a kind and a name are one word."""
        return f"{self._noun}/{shell_word(self.name)}"

    @cached_property
    def _namespace(self) -> str:
        return cluster.namespace()

    def _collection(self, plural: str = "", api: str = "") -> str:
        return f"{api or self._api}/namespaces/{self._namespace}/{plural or self._plural}"

    def _found(self) -> Json | None:
        return _named(self.name, cluster.objects(self._collection()))

    def _object(self) -> Json:
        all_of_them = cluster.objects(self._collection())
        found = _named(self.name, all_of_them)
        if found is not None:
            return found
        what = f"{self._kind}s"
        sentence, meant = near(self.name, [one["metadata"]["name"] for one in all_of_them], what)
        raise CheckFailed(
            f"There is no {self._kind} named `{self.name}`. {sentence}",
            f"a {self._kind} named `{self.name}`.",
            f"kubectl get {self._plural}" if meant else self._made_by.format(shell_word(self.name)),
        )


def _named(name: str, candidates: list[Json]) -> Json | None:
    return next((one for one in candidates if one["metadata"]["name"] == name), None)


def selects(selector: dict[str, str], labels: dict[str, str]) -> bool:
    """Whether the labels hold all of a selector's pairs; no selector selects nothing.

    >>> selects({"app": "web"}, {"app": "web", "tier": "front"}), selects({}, {"app": "web"})
    (True, False)
    """
    return bool(selector) and selector.items() <= labels.items()


def pairs(labels: dict[str, str]) -> str:
    """Labels as kubectl takes them.

    >>> pairs({"app": "web", "tier": "front"})
    'app=web,tier=front'
    """
    return ",".join(f"{key}={value}" for key, value in labels.items())


def _pairs(labels: dict[str, str]) -> str:
    return listed([f"{key}={value}" for key, value in labels.items()])


def owned_by(one: Json, uids: set[str]) -> bool:
    """Whether a controller with one of these uids made and keeps it."""
    owners = one["metadata"].get("ownerReferences") or []
    return any(owner.get("controller") and owner["uid"] in uids for owner in owners)
