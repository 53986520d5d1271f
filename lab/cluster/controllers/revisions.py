"""ControllerRevisions: the past templates of DaemonSets and StatefulSets, for undoing rollouts."""

import json
import zlib

from lab.cluster.model.objects import (
    Obj,
    annotations_of,
    at,
    controller_of,
    name_of,
    namespace_of,
    owner_reference,
    safe_encode,
    uid_of,
)
from lab.cluster.registry.client import Client

REVISIONS = "controllerrevisions.apps"


def template_hash(template: Obj) -> str:
    return safe_encode(zlib.crc32(json.dumps(template, sort_keys=True).encode()))


def current_revision(client: Client, owner: Obj, hash_label: str) -> Obj:
    """The revision of the owner's template as it is now: the newest, made or brought back when it
    is not. Too old ones are deleted.
    """
    template = owner["spec"]["template"]
    digest = template_hash(template)
    existing = [
        r
        for r in client.list(REVISIONS, namespace_of(owner))
        if (controller_of(r) or {}).get("uid") == uid_of(owner)
    ]
    newest = max((int(r["revision"]) for r in existing), default=0)
    found = next((r for r in existing if name_of(r) == f"{name_of(owner)}-{digest}"), None)
    if found is None:
        meta = {
            "name": f"{name_of(owner)}-{digest}",
            "namespace": namespace_of(owner),
            "ownerReferences": [owner_reference(owner)],
            "labels": {**at(template, "metadata", "labels", default={}), hash_label: digest},
            "annotations": dict(annotations_of(owner)),
        }
        # In the order in which Go writes maps: kubectl compares the bytes.
        data = json.loads(
            json.dumps({"spec": {"template": template | {"$patch": "replace"}}}, sort_keys=True)
        )
        found = client.create(REVISIONS, {"metadata": meta, "data": data, "revision": newest + 1})
    elif found["revision"] != newest:

        def bring_back(fresh: Obj) -> None:
            fresh["revision"] = newest + 1

        found = client.change(REVISIONS, found, bring_back) or found
    old = sorted(
        (r for r in existing if name_of(r) != name_of(found)), key=lambda r: int(r["revision"])
    )
    for revision in old[: max(0, len(old) - at(owner, "spec", "revisionHistoryLimit", default=10))]:
        client.delete(REVISIONS, revision)
    return found


def template_of(revision: Obj) -> Obj:
    """The template that a revision recorded."""
    return {
        key: value for key, value in revision["data"]["spec"]["template"].items() if key != "$patch"
    }
