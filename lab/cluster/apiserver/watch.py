"""Watches: the events of a resource, as a stream of JSON that lasts until someone ends it."""

import asyncio

from aiohttp import web

from lab.cluster.apiserver.negotiation import dumps, one
from lab.cluster.apiserver.options import Selection
from lab.cluster.model.errors import bad_request, expired
from lab.cluster.model.objects import Obj
from lab.cluster.model.resources import Resource
from lab.cluster.registry.conversion import from_storage
from lab.cluster.registry.store import Event, GoneError, Store, Watch

BOOKMARK_SECONDS = 60.0
WATCH_SECONDS = 3600.0  # after that, a client watches again


def watch_since(store: Store, revision: str) -> Watch:
    """What happens after that revision, or from now on when it is empty.

    APIError (410) when the store no longer knows what happened then.
    """
    try:
        return store.watch(_revision(revision) if revision else None)
    except GoneError as gone:
        raise expired(f"too old resource version: {gone.args[0]} ({gone.args[1]})") from gone


def _revision(text: str) -> int:
    if not text.isdigit():
        raise bad_request(
            f'invalid resource version "{text}": strconv.ParseUint: parsing "{text}": invalid'
            " syntax"
        )
    return int(text)


class WatchStream:
    """Events to one client, in the form it wants."""

    def __init__(
        self, response: web.StreamResponse, request: web.Request, resource: Resource, revision: int
    ) -> None:
        self.response, self.request = response, request
        self.resource, self.revision = resource, revision
        self.first = True

    async def send(self, kind: str, obj: Obj) -> None:
        shown = one(self.request, self.resource, obj, headers=self.first)
        self.first = False
        await self.response.write(dumps({"type": kind, "object": shown}) + b"\n")

    async def bookmark(self, annotations: dict[str, str] | None = None) -> None:
        meta: Obj = {"resourceVersion": str(self.revision), "creationTimestamp": None}
        if annotations:
            meta["annotations"] = annotations
        obj: Obj = {
            "kind": self.resource.kind,
            "apiVersion": self.resource.api_version,
            "metadata": meta,
        }
        if "as=Table" in self.request.headers.get("Accept", ""):
            obj = {
                "kind": "Table",
                "apiVersion": "meta.k8s.io/v1",
                "metadata": meta,
                "columnDefinitions": [],
                "rows": [],
            }
        await self.response.write(dumps({"type": "BOOKMARK", "object": obj}) + b"\n")

    async def follow(self, watching: Watch, chosen: Selection, namespace: str) -> None:
        """Send what happens until time is over, the client leaves or the server ends."""
        loop = asyncio.get_running_loop()
        asked = self.request.query.get("timeoutSeconds", "")
        deadline = loop.time() + (int(asked) if asked.isdigit() and int(asked) else WATCH_SECONDS)
        bookmarks = self.request.query.get("allowWatchBookmarks") == "true"
        while (left := deadline - loop.time()) > 0 and self.request.transport is not None:
            event = await watching.next(min(left, BOOKMARK_SECONDS))
            if event is not None:
                await self._pass_on(event, chosen, namespace)
            elif loop.time() < deadline and bookmarks:
                await self.bookmark()

    async def _pass_on(self, event: Event, chosen: Selection, namespace: str) -> None:
        resource, where, _ = event.key
        self.revision = max(self.revision, event.revision)
        if resource != self.resource.stored_as or (namespace and where != namespace):
            return
        after = from_storage(self.resource, event.obj)
        matches = chosen.matches(after) and event.kind != "DELETED"
        matched = event.before is not None and chosen.matches(
            from_storage(self.resource, event.before)
        )
        if matches:
            await self.send("MODIFIED" if matched else "ADDED", after)
        elif matched:
            await self.send("DELETED", after)
