"""Why a Pod is not ready, and which image its containers were really made from."""

from __future__ import annotations

import json

from grader.checks.cluster import Json
from grader.checks.commandline import shell_word
from grader.checks.container.facts import inspect_image
from grader.checks.engine import summaries
from grader.checks.references import in_grading, same_image
from grader.checks.verdict import listed, quoted

UID_LABEL, CONTAINER_LABEL = "io.kubernetes.pod.uid", "io.kubernetes.container.name"
STARTING = ("ContainerCreating", "PodInitializing")
UNPULLED = ("ErrImagePull", "ImagePullBackOff", "ErrImageNeverPull", "InvalidImageName")


def trouble(pod: Json) -> tuple[str, str] | None:
    """A sentence that says why the Pod is not ready, and the command that tells more; None when it
    is ready.
    """
    name, status = pod["metadata"]["name"], pod.get("status") or {}
    word = shell_word(name)
    describe, logs = f"kubectl describe pod {word}", f"kubectl logs {word}"
    if pod["metadata"].get("deletionTimestamp"):
        return f"The Pod `{name}` is being deleted.", "kubectl get pods"
    conditions = {one["type"]: one for one in status.get("conditions") or []}
    if conditions.get("Ready", {}).get("status") == "True":
        return None
    for one in [
        *(status.get("initContainerStatuses") or []),
        *(status.get("containerStatuses") or []),
    ]:
        said = _trouble_of(one, name, describe, logs)
        if said:
            return said
    if waits_for_node(pod):
        message = conditions["PodScheduled"].get("message") or "none suits it"
        return f"The Pod `{name}` waits for a node: {quoted(message)}.", describe
    return f"The Pod `{name}` is not ready.", describe


def waits_for_node(pod: Json) -> bool:
    """Whether no node takes it."""
    conditions = (pod.get("status") or {}).get("conditions") or []
    return any(one["type"] == "PodScheduled" and one["status"] == "False" for one in conditions)


def has_begun(pod: Json) -> bool:
    """Whether one of its containers has run, or has been refused: it is not just being prepared."""
    states = [
        state
        for one in (pod.get("status") or {}).get("containerStatuses") or []
        for state in (one.get("state") or {}, one.get("lastState") or {})
    ]
    return any(
        _runs(state)
        or "terminated" in state
        or (state.get("waiting") or {}).get("reason", STARTING[0]) not in STARTING
        for state in states
    )


def _trouble_of(status: Json, pod: str, describe: str, logs: str) -> tuple[str, str] | None:
    """What one container's status says; None when it is not this container that the Pod waits
    for.
    """
    container, state = f"container `{status['name']}` of the Pod `{pod}`", status.get("state") or {}
    waiting = state.get("waiting") or {}
    reason = str(waiting.get("reason") or "")
    if reason in UNPULLED:
        return f"The image {quoted(status['image'])} of the {container} cannot be pulled.", describe
    ended = state.get("terminated") or (
        (status.get("lastState") or {}).get("terminated") if not _runs(state) else None
    )
    if ended and not (ended["exitCode"] == 0 and status.get("ready")):
        return f"The {container} ended with exit code {ended['exitCode']}.", logs
    if waiting and reason not in STARTING:
        return f"The {container} waits: {reason}, {quoted(waiting.get('message') or '')}.", describe
    if _runs(state) and not status.get("ready"):
        return (
            f"The {container} runs, and is not ready: its readiness probe has not succeeded.",
            describe,
        )
    return None


def _runs(state: Json) -> bool:
    return "running" in state


def images(pod: Json) -> list[str]:
    """The images of its containers, as they are named in it."""
    return [container["image"] for container in pod["spec"]["containers"]]


def other_image(who: str, names: list[str], ref: str) -> str:
    """A sentence that says which images these are, in place of the one that was asked for."""
    if any(same_image(name, ref) for name in names):
        return f"{who} another image that was given the name {quoted(ref)}."
    return f"{who} {listed(names)}, which is not the image {quoted(ref)}."


def how_to_set_image(typed: str, container: str, names: list[str], ref: str) -> str:
    """What to do about it; `typed` is the object as kubectl takes it."""
    if any(same_image(name, ref) for name in names):
        return (
            f"docker pull {ref}, then delete {quoted(typed.partition('/')[2])} and make it again."
        )
    return f"kubectl set image {typed} {container}={ref}"


def runs_image(pod: Json, ref: str) -> bool:
    """Whether one of its containers was made from this image.

    A name can be put on another image (`docker tag`). Where the Pod's containers are on the engine
    that checks can ask, as in the lab's own cluster, their images' ids are compared; elsewhere the
    names are all there is. In grading they are always there: a Pod whose containers somebody has
    removed runs nothing.
    """
    label = f"{UID_LABEL}={pod['metadata']['uid']}"
    made = summaries("containers", all="true", filters=json.dumps({"label": [label]}))
    present = _present(pod, made)
    if not present:
        return not in_grading() and any(same_image(image, ref) for image in images(pod))
    wanted = inspect_image(ref)
    return wanted is not None and any(one["ImageID"] == wanted["Id"] for one in present)


def _present(pod: Json, made: list[Json]) -> list[Json]:
    """Of all that was ever made for the Pod, newest first, the containers that it has now: no init
    container, none that another one has replaced.
    """
    present: dict[str, Json] = {}
    for one in made:
        present.setdefault(str((one.get("Labels") or {}).get(CONTAINER_LABEL)), one)
    return [present[one["name"]] for one in pod["spec"]["containers"] if one["name"] in present]
