"""Jobs: Pods that run to their end, as many as must succeed, tried again as often as may be."""

import time

from lab.cluster.controllers import pods
from lab.cluster.controllers.base import Controller
from lab.cluster.objects import (
    Obj,
    at,
    condition,
    epoch,
    is_controlled_by,
    is_deleting,
    is_true,
    name_of,
    now,
    random_suffix,
)
from lab.cluster.store import Event

INDEX = "batch.kubernetes.io/job-completion-index"
BATCH_SECONDS = 1.0  # what Pods do is looked at in batches, as the job controller of a real cluster does it
FIRST_BACKOFF, LONGEST_BACKOFF = 10.0, 600.0  # seconds before a failed Pod is tried again; doubled


class Jobs(Controller):
    resource, watches, component = "jobs.batch", ("pods",), "job-controller"

    def on(self, event: Event) -> None:
        if event.key[0] == "pods" and event.kind == "MODIFIED":
            for key in self.keys(event):
                if key not in self._timers:
                    self.enqueue_after(key, BATCH_SECONDS)
        else:
            super().on(event)

    def sync(self, namespace: str, name: str) -> float | None:
        job = self.get(namespace, name)
        if job is None:
            return None
        if is_true(job, "Complete") or is_true(job, "Failed"):
            return self._expire(job)
        mine = [pod for pod in self.client.list("pods", namespace) if is_controlled_by(pod, job)]
        active = [pod for pod in mine if pods.is_active(pod)]
        failed = [pod for pod in mine if at(pod, "status", "phase") == "Failed"]
        succeeded = [pod for pod in mine if at(pod, "status", "phase") == "Succeeded"]
        spec = job["spec"]
        if is_deleting(job):
            return None
        if spec.get("suspend"):
            self._suspend(job, active, failed, succeeded)
            return None
        started = at(job, "status", "startTime") or now()
        why = self._why_failed(job, active, failed, started)
        if why:
            return self._end(job, "Failed", *why, started, active, failed, succeeded)
        if self._is_complete(spec, active, succeeded):
            return self._end(
                job,
                "Complete",
                "CompletionsReached",
                "Reached expected number of succeeded pods",
                started,
                active,
                failed,
                succeeded,
            )
        wait = self._backoff(failed)
        if not wait:
            self._scale(job, active, succeeded)
        active = [p for p in self.client.list("pods", namespace) if is_controlled_by(p, job) and pods.is_active(p)]
        self._report(
            job,
            started,
            active,
            failed,
            succeeded,
            [c for c in at(job, "status", "conditions", default=[]) if c["type"] != "Suspended"],
        )
        deadline = spec.get("activeDeadlineSeconds")
        waits = [wait] if wait else []
        if deadline is not None:
            waits.append(max(0.1, deadline - (time.time() - epoch(started))))
        return min(waits, default=None)

    def _is_complete(self, spec: Obj, active: list[Obj], succeeded: list[Obj]) -> bool:
        completions = spec.get("completions")
        if completions is None:
            return bool(succeeded) and not active
        if spec.get("completionMode") == "Indexed":
            return len({_index(pod) for pod in succeeded}) >= int(completions)
        return len(succeeded) >= int(completions)

    def _why_failed(self, job: Obj, active: list[Obj], failed: list[Obj], started: str) -> tuple[str, str] | None:
        spec = job["spec"]
        restarts = sum(
            s.get("restartCount", 0) for p in active for s in at(p, "status", "containerStatuses", default=[])
        )
        if at(spec, "template", "spec", "restartPolicy") != "OnFailure":
            restarts = 0
        limit = spec.get("backoffLimit", 6)
        if len(failed) > limit or (restarts and restarts >= max(limit, 1)):
            return "BackoffLimitExceeded", "Job has reached the specified backoff limit"
        deadline = spec.get("activeDeadlineSeconds")
        if deadline is not None and time.time() - epoch(started) >= deadline:
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

    def _scale(self, job: Obj, active: list[Obj], succeeded: list[Obj]) -> None:
        spec = job["spec"]
        completions, parallelism = spec.get("completions"), spec.get("parallelism", 1)
        if completions is not None:
            parallelism = min(parallelism, completions - len(succeeded))
        elif succeeded:
            parallelism = len(active)
        for pod in sorted(active, key=pods.deletion_order)[: max(0, len(active) - parallelism)]:
            self.client.delete("pods", pod)
            self.recorder.normal(job, "SuccessfulDelete", f"Deleted pod: {name_of(pod)}")
        for _ in range(parallelism - len(active)):
            taken = {_index(pod) for pod in [*active, *succeeded]}
            active.append(self._create(job, next(i for i in range(len(taken) + 1) if i not in taken)))

    def _create(self, job: Obj, index: int) -> Obj:
        indexed = job["spec"].get("completionMode") == "Indexed"
        pod = pods.from_template(
            job, job["spec"]["template"], name=f"{name_of(job)}-{index}-{random_suffix()}" if indexed else ""
        )
        if indexed:
            pod["metadata"]["annotations"][INDEX] = pod["metadata"]["labels"][INDEX] = str(index)
            for container in pod["spec"]["containers"]:
                container.setdefault("env", []).append({"name": "JOB_COMPLETION_INDEX", "value": str(index)})
        made = self.client.create("pods", pod)
        self.recorder.normal(job, "SuccessfulCreate", f"Created pod: {name_of(made)}")
        return made

    def _suspend(self, job: Obj, active: list[Obj], failed: list[Obj], succeeded: list[Obj]) -> None:
        for pod in active:
            self.client.delete("pods", pod)
        conditions = at(job, "status", "conditions", default=[])
        if condition(job, "Suspended") is None:
            conditions = [*conditions, _condition("Suspended", "JobSuspended", "Job suspended")]
            self.recorder.normal(job, "Suspended", "Job suspended")
        self._report(job, "", [], failed, succeeded, conditions)

    def _end(
        self,
        job: Obj,
        kind: str,
        reason: str,
        message: str,
        started: str,
        active: list[Obj],
        failed: list[Obj],
        succeeded: list[Obj],
    ) -> float | None:
        for pod in active:
            self.client.delete("pods", pod)
        first = "SuccessCriteriaMet" if kind == "Complete" else "FailureTarget"
        known = condition(job, first)
        if known is None:
            self._report(job, started, [], failed, succeeded, [_condition(first, reason, message)])
            return BATCH_SECONDS
        conditions = [known, _condition(kind, reason, message)]
        self._report(job, started, [], failed, succeeded, conditions, completed=kind == "Complete")
        if kind == "Complete":
            self.recorder.normal(job, "Completed", "Job completed")
        else:
            self.recorder.warning(job, reason, message)
        return None

    def _report(
        self,
        job: Obj,
        started: str,
        active: list[Obj],
        failed: list[Obj],
        succeeded: list[Obj],
        conditions: list[Obj],
        *,
        completed: bool = False,
    ) -> None:
        ready = len([pod for pod in active if pods.is_ready(pod)])
        counts = {"active": len(active), "failed": len(failed), "succeeded": len(succeeded)}
        status: Obj = {key: count for key, count in counts.items() if count}
        status |= {"ready": ready, "terminating": 0, "uncountedTerminatedPods": {}}
        if started:
            status["startTime"] = started
        if completed:
            status["completionTime"] = now()
        if job["spec"].get("completionMode") == "Indexed" and succeeded:
            status["completedIndexes"] = _ranges(sorted({_index(pod) for pod in succeeded}))
        if conditions:
            status["conditions"] = conditions
        self.client.set_status(self.resource, job, status)

    def _expire(self, job: Obj) -> float | None:
        """Delete a finished Job when its time to live is over."""
        keep = job["spec"].get("ttlSecondsAfterFinished")
        if keep is None:
            return None
        ended = (condition(job, "Complete") or condition(job, "Failed") or {}).get("lastTransitionTime", "")
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
    moment = now()
    return {
        "type": kind,
        "status": "True",
        "reason": reason,
        "message": message,
        "lastProbeTime": moment,
        "lastTransitionTime": moment,
    }
