"""Jobs: Pods that run to their end, as many as must succeed, tried again as often as may be."""

import time
from dataclasses import dataclass, replace

from lab.cluster.controllers import pods
from lab.cluster.controllers.base import Controller
from lab.cluster.model.objects import (
    Obj,
    at,
    condition,
    containers_of,
    epoch,
    is_controlled_by,
    is_deleting,
    is_true,
    name_of,
    namespace_of,
    new_condition,
    now,
)

INDEX = "batch.kubernetes.io/job-completion-index"
# What Pods do is looked at in batches, as the job controller of a real cluster does it.
BATCH_SECONDS = 1.0
FIRST_BACKOFF, LONGEST_BACKOFF = 10.0, 600.0  # seconds before a failed Pod is tried again; doubled


@dataclass(frozen=True)
class Progress:
    """A Job's Pods by how far they are, and since when the Job runs ("" while it is suspended)."""

    active: list[Obj]
    failed: list[Obj]
    succeeded: list[Obj]
    started: str = ""

    @classmethod
    def of(cls, pods_of_job: list[Obj], started: str) -> "Progress":
        def ended(phase: str) -> list[Obj]:
            return [pod for pod in pods_of_job if at(pod, "status", "phase") == phase]

        return cls(
            [pod for pod in pods_of_job if pods.is_active(pod)],
            ended("Failed"),
            ended("Succeeded"),
            started,
        )


class Jobs(Controller):
    """Runs a Job's Pods until enough have succeeded, or too many have failed.

    Left out: pod failure policies, success policies, and the finalizers by which a real controller
    counts Pods that others delete.
    """

    resource, watches, component = "jobs.batch", ("pods",), "job-controller"
    batch_seconds = BATCH_SECONDS

    def sync(self, namespace: str, name: str) -> float | None:
        job = self.get(namespace, name)
        if job is None:
            return None
        if is_true(job, "Complete") or is_true(job, "Failed"):
            return self._expire(job)
        if is_deleting(job):
            return None
        if job["spec"].get("suspend"):
            self._suspend(job)
            return None
        conditions = self._resumed(job)
        started = at(job, "status", "startTime") or now()
        progress = Progress.of(self._pods(job), started)
        why = self._why_failed(job, progress)
        if why:
            return self._end(job, "Failed", *why, progress, conditions)
        if self._is_complete(job["spec"], progress):
            reached = "Reached expected number of succeeded pods"
            return self._end(job, "Complete", "CompletionsReached", reached, progress, conditions)
        wait = self._backoff(progress.failed)
        if not wait:
            self._scale(job, progress)
        self._report(job, Progress.of(self._pods(job), started), conditions)
        deadline = job["spec"].get("activeDeadlineSeconds")
        waits = [wait] if wait else []
        if deadline is not None:
            waits.append(max(0.1, deadline - (time.time() - epoch(started))))
        return min(waits, default=None)

    def _pods(self, job: Obj) -> list[Obj]:
        return [
            pod for pod in self.client.list("pods", namespace_of(job)) if is_controlled_by(pod, job)
        ]

    def _is_complete(self, spec: Obj, progress: Progress) -> bool:
        completions = spec.get("completions")
        if completions is None:
            return bool(progress.succeeded) and not progress.active
        if spec.get("completionMode") == "Indexed":
            return len({_index(pod) for pod in progress.succeeded}) >= int(completions)
        return len(progress.succeeded) >= int(completions)

    def _why_failed(self, job: Obj, progress: Progress) -> tuple[str, str] | None:
        decided, spec = condition(job, "FailureTarget"), job["spec"]
        if decided is not None:
            return decided["reason"], decided["message"]
        statuses = [
            s for pod in progress.active for s in at(pod, "status", "containerStatuses", default=[])
        ]
        restarts = sum(s.get("restartCount", 0) for s in statuses)
        if at(spec, "template", "spec", "restartPolicy") != "OnFailure":
            restarts = 0
        limit = spec.get("backoffLimit", 6)
        if len(progress.failed) > limit or (restarts and restarts >= max(limit, 1)):
            return "BackoffLimitExceeded", "Job has reached the specified backoff limit"
        deadline = spec.get("activeDeadlineSeconds")
        if deadline is not None and time.time() - epoch(progress.started) >= deadline:
            return "DeadlineExceeded", "Job was active longer than specified deadline"
        return None

    def _backoff(self, failed: list[Obj]) -> float:
        """Seconds to wait still before the next try."""
        if not failed:
            return 0.0
        ends = [
            epoch(ended)
            for pod in failed
            for s in at(pod, "status", "containerStatuses", default=[])
            if (ended := at(s, "state", "terminated", "finishedAt"))
        ]
        pause: float = min(FIRST_BACKOFF * 2 ** (len(failed) - 1), LONGEST_BACKOFF)
        return max(0.0, max(ends, default=0.0) + pause - time.time())

    def _scale(self, job: Obj, progress: Progress) -> None:
        spec, active = job["spec"], progress.active
        completions, parallelism = spec.get("completions"), spec.get("parallelism", 1)
        if completions is not None:
            parallelism = min(parallelism, completions - len(progress.succeeded))
        elif progress.succeeded:
            parallelism = len(active)
        self._delete(
            job, sorted(active, key=pods.deletion_order)[: max(0, len(active) - parallelism)]
        )
        taken = {_index(pod) for pod in [*active, *progress.succeeded]}
        for _ in range(parallelism - len(active)):
            index = next(i for i in range(len(taken) + 1) if i not in taken)
            taken.add(index)
            pods.create(self.client, self.recorder, job, self._pod(job, index))

    def _pod(self, job: Obj, index: int) -> Obj:
        template = job["spec"]["template"]
        if job["spec"].get("completionMode") != "Indexed":
            return pods.from_template(job, template)
        pod = pods.from_template(job, template)
        pod["metadata"]["generateName"] = f"{name_of(job)}-{index}-"
        pod["metadata"]["annotations"][INDEX] = pod["metadata"]["labels"][INDEX] = str(index)
        pod["spec"].setdefault("hostname", f"{name_of(job)}-{index}")
        source = {"fieldRef": {"apiVersion": "v1", "fieldPath": f"metadata.labels['{INDEX}']"}}
        for container in containers_of(pod["spec"]):
            container.setdefault("env", []).append(
                {"name": "JOB_COMPLETION_INDEX", "valueFrom": source}
            )
        return pod

    def _delete(self, job: Obj, listed: list[Obj]) -> None:
        for pod in listed:
            pods.delete(self.client, self.recorder, job, pod)

    def _suspend(self, job: Obj) -> None:
        progress = Progress.of(self._pods(job), "")
        self._delete(job, progress.active)
        conditions = at(job, "status", "conditions", default=[])
        if not is_true(job, "Suspended"):
            kept = [c for c in conditions if c["type"] != "Suspended"]
            conditions = [*kept, _condition("Suspended", "JobSuspended", "Job suspended")]
            self.recorder.normal(job, "Suspended", "Job suspended")
        self._report(job, replace(progress, active=[]), conditions)

    def _resumed(self, job: Obj) -> list[Obj]:
        """The Job's conditions; those of one that was suspended are brought up to date."""
        conditions: list[Obj] = at(job, "status", "conditions", default=[])
        if not is_true(job, "Suspended"):
            return conditions
        self.recorder.normal(job, "Resumed", "Job resumed")
        resumed = _condition("Suspended", "JobResumed", "Job resumed") | {"status": "False"}
        return [resumed if c["type"] == "Suspended" else c for c in conditions]

    def _end(
        self,
        job: Obj,
        kind: str,
        reason: str,
        message: str,
        progress: Progress,
        conditions: list[Obj],
    ) -> float | None:
        """First say that it will end, and when its Pods are gone, that it has."""
        self._delete(job, progress.active)
        progress = replace(progress, active=[])
        first = "SuccessCriteriaMet" if kind == "Complete" else "FailureTarget"
        if condition(job, first) is None:
            self._report(job, progress, [*conditions, _condition(first, reason, message)])
            return BATCH_SECONDS
        completed = now() if kind == "Complete" else ""
        self._report(
            job, progress, [*conditions, _condition(kind, reason, message)], completed=completed
        )
        if kind == "Complete":
            self.recorder.normal(job, "Completed", "Job completed")
        else:
            self.recorder.warning(job, reason, message)
        return None

    def _report(
        self, job: Obj, progress: Progress, conditions: list[Obj], *, completed: str = ""
    ) -> None:
        ready = len([pod for pod in progress.active if pods.is_ready(pod)])
        counts = {
            "active": len(progress.active),
            "failed": len(progress.failed),
            "succeeded": len(progress.succeeded),
            "startTime": progress.started,
            "completionTime": completed,
            "conditions": conditions,
        }
        status: Obj = {key: value for key, value in counts.items() if value}
        status |= {"ready": ready, "terminating": 0, "uncountedTerminatedPods": {}}
        if job["spec"].get("completionMode") == "Indexed" and progress.succeeded:
            status["completedIndexes"] = _ranges(
                sorted({_index(pod) for pod in progress.succeeded})
            )
        self.client.set_status(self.resource, job, status)

    def _expire(self, job: Obj) -> float | None:
        """Delete a finished Job when its time to live is over."""
        keep = job["spec"].get("ttlSecondsAfterFinished")
        if keep is None:
            return None
        ended = (condition(job, "Complete") or condition(job, "Failed") or {}).get(
            "lastTransitionTime", ""
        )
        left = float(keep) - (time.time() - epoch(ended))
        if left > 0:
            return left
        self.client.delete(self.resource, job)
        return None


def _index(pod: Obj) -> int:
    return int((pod["metadata"].get("annotations") or {}).get(INDEX, -1))


def _ranges(numbers: list[int]) -> str:
    """``0,2-4`` of 0, 2, 3, 4."""
    runs: list[list[int]] = []
    for number in numbers:
        if runs and number == runs[-1][1] + 1:
            runs[-1][1] = number
        else:
            runs.append([number, number])
    return ",".join(str(a) if a == b else f"{a}-{b}" for a, b in runs)


def _condition(kind: str, reason: str, message: str) -> Obj:
    return new_condition(None, kind, "True", reason, message) | {"lastProbeTime": now()}
