"""CronJobs: a Job each time the clock says so."""

import time
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from croniter import croniter

from lab.cluster.controllers.base import Controller
from lab.cluster.model.errors import APIError
from lab.cluster.model.objects import (
    Obj,
    at,
    copy,
    epoch,
    is_controlled_by,
    is_deleting,
    is_true,
    name_of,
    namespace_of,
    owner_reference,
    uid_of,
)

JOBS = "jobs.batch"
SCHEDULED_AT = "batch.kubernetes.io/cronjob-scheduled-timestamp"
MISSED_LIMIT = 100


def stamp(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


class CronJobs(Controller):
    """Makes a Job whenever a CronJob's schedule says so, and forgets old ones.

    A sync starts what is due (the last of what was missed) and asks to be called again when the
    next is.
    """

    resource, watches, component = "cronjobs.batch", (JOBS,), "cronjob-controller"

    def sync(self, namespace: str, name: str) -> float | None:
        cron = self.get(namespace, name)
        if cron is None or is_deleting(cron):
            return None
        jobs = [job for job in self.client.list(JOBS, namespace) if is_controlled_by(job, cron)]
        self._forget_old(cron, jobs)
        active = self._active(cron, jobs)
        last = at(cron, "status", "lastScheduleTime")
        zone = ZoneInfo(cron["spec"]["timeZone"]) if cron["spec"].get("timeZone") else UTC
        began = datetime.fromtimestamp(epoch(last or cron["metadata"]["creationTimestamp"]), zone)
        clock = croniter(cron["spec"]["schedule"], began)
        due: datetime | None = None
        upcoming = clock.get_next(datetime)
        for _ in range(MISSED_LIMIT):
            if upcoming.timestamp() > time.time():
                break
            due, upcoming = upcoming, clock.get_next(datetime)
        if due is not None and not cron["spec"].get("suspend"):
            active = self._start(cron, active, due)
            last = stamp(due) if active is not None else last
        self._report(cron, active if active is not None else [], jobs, last)
        return max(0.0, upcoming.timestamp() - time.time()) + 0.05

    def _active(self, cron: Obj, jobs: list[Obj]) -> list[Obj]:
        """Jobs that it started and that still run. Others that name it as theirs are told of."""
        started = {reference["uid"] for reference in at(cron, "status", "active", default=[])}
        running = [job for job in jobs if not _finished(job)]
        for job in running:
            if uid_of(job) not in started:
                why = f"Saw a job that the controller did not create or forgot: {name_of(job)}"
                self.recorder.warning(cron, "UnexpectedJob", why)
        return [job for job in running if uid_of(job) in started]

    def _start(self, cron: Obj, active: list[Obj], due: datetime) -> list[Obj]:
        deadline = cron["spec"].get("startingDeadlineSeconds")
        if deadline is not None and time.time() - due.timestamp() > deadline:
            self.recorder.warning(
                cron,
                "MissSchedule",
                f"Missed scheduled time to start a job: {due:%a, %d %b %Y %H:%M:%S %z}",
            )
            return active
        policy = cron["spec"]["concurrencyPolicy"]
        if policy == "Forbid" and active:
            self.recorder.normal(
                cron,
                "JobAlreadyActive",
                "Not starting job because prior execution is running and concurrency policy is"
                " Forbid",
            )
            return active
        if policy == "Replace":
            for job in active:
                self.client.delete(JOBS, job)
                self.recorder.normal(cron, "SuccessfulDelete", f"Deleted job {name_of(job)}")
            active = []
        return [*active, *self._create(cron, due)]

    def _create(self, cron: Obj, due: datetime) -> list[Obj]:
        template = copy(cron["spec"]["jobTemplate"])
        meta = template.get("metadata") or {}
        name = f"{name_of(cron)[:52]}-{int(due.timestamp() // 60)}"
        try:
            job = self.client.create(
                JOBS,
                {
                    "metadata": {
                        "name": name,
                        "namespace": namespace_of(cron),
                        "labels": meta.get("labels") or {},
                        "annotations": {
                            **(meta.get("annotations") or {}),
                            SCHEDULED_AT: stamp(due),
                        },
                        "ownerReferences": [owner_reference(cron)],
                    },
                    "spec": template["spec"],
                },
            )
        except APIError as error:
            if error.reason == "AlreadyExists":
                return []
            self.recorder.warning(cron, "FailedCreate", f"Error creating job: {error}")
            raise
        self.recorder.normal(cron, "SuccessfulCreate", f"Created job {name}")
        return [job]

    def _forget_old(self, cron: Obj, jobs: list[Obj]) -> None:
        for kind, field in (
            ("Complete", "successfulJobsHistoryLimit"),
            ("Failed", "failedJobsHistoryLimit"),
        ):
            done = sorted(
                (job for job in jobs if is_true(job, kind)),
                key=lambda j: str(at(j, "status", "startTime", default="")),
            )
            for job in done[: max(0, len(done) - cron["spec"].get(field, 1))]:
                self.client.delete(JOBS, job)

    def _report(self, cron: Obj, active: list[Obj], jobs: list[Obj], last: str | None) -> None:
        status: Obj = {}
        if last:
            status["lastScheduleTime"] = last
        ended = [
            t
            for job in jobs
            if is_true(job, "Complete") and (t := at(job, "status", "completionTime"))
        ]
        newest = max([*ended, at(cron, "status", "lastSuccessfulTime", default="")])
        if newest:
            status["lastSuccessfulTime"] = newest
        if active:
            status["active"] = [
                {
                    "apiVersion": "batch/v1",
                    "kind": "Job",
                    "name": name_of(j),
                    "namespace": namespace_of(j),
                    "uid": j["metadata"]["uid"],
                    "resourceVersion": j["metadata"]["resourceVersion"],
                }
                for j in active
            ]
        for job in jobs:
            if _finished(job) and any(
                ref["uid"] == job["metadata"]["uid"]
                for ref in at(cron, "status", "active", default=[])
            ):
                self.recorder.normal(
                    cron,
                    "SawCompletedJob",
                    f"Saw completed job: {name_of(job)}, condition:"
                    f" {'Complete' if is_true(job, 'Complete') else 'Failed'}",
                )
        self.client.set_status(self.resource, cron, status)


def _finished(job: Obj) -> bool:
    return is_true(job, "Complete") or is_true(job, "Failed")
