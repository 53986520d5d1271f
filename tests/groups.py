"""How tests are dealt out to workers side by side: in groups that share what they set up, the
longest group first.

A group is a file, or the part of one that ``PARTS`` cuts out. Tests wait for half of their time, so
half as many workers again as there are processors keep these busy (``bin/lab test`` starts them).
Each worker has its own lab.
"""

import re
from collections.abc import Sequence

import pytest
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling
from xdist.workermanage import WorkerController

# What of a test's parameters makes its group, by file: an exercise with all its wrong answers, a
# suite that runs in the lab, some lessons.
PARTS = {
    "tests/grader/test_exercises.py": re.compile(r"\[(\d\d-[a-z-]+)"),
    "tests/test_inside.py": re.compile(r"\[(.+)\]$"),
    "tests/test_lessons.py": re.compile(r"\[(\d\d)-"),
    "tests/test_sections.py": re.compile(r"\[(\d\d)-"),
    "tests/test_tasks.py": re.compile(r"\[(\d\d)-"),
    "tests/test_course_order.py": re.compile(r"\[(.+)\]$"),
    "tests/lab/test_first_run.py": re.compile(r"::(\w+)$"),
}
# Their fixture is one class, graded once for both.
GRADED_WITH = {"tests/attacks/test_pages.py": "tests/attacks/test_attacks.py"}
LESSONS_TOGETHER = 4  # numbers; a worker's lab serves one lesson after the other

# Seconds on a quiet machine with two processors, one group after the other. A group that is not
# here takes little.
SECONDS = {
    "tests/grader/test_exercises.py[11-kubernetes-deployments]": 311,
    "tests/grader/run/test_classrun.py": 309,
    "tests/attacks/test_attacks.py": 290,
    "tests/test_lessons.py[16-19]": 310,
    "tests/test_course_order.py[docker]": 280,
    "tests/test_course_order.py[kubernetes]": 440,
    "tests/test_course_order.py": 40,
    "tests/test_lesson_browser.py": 200,
    "tests/grader/test_exercises.py[10-kubernetes-first-objects]": 166,
    "tests/grader/formgrader/test_formgrader.py": 200,
    "tests/grader/run/test_slow_machine.py": 200,
    "tests/attacks/test_controls.py": 160,
    "tests/grader/test_bench.py": 158,
    "tests/grader/run/test_limits.py": 120,
    "tests/lab/test_life.py": 139,
    "tests/grader/test_exercises.py[03-dockerfile]": 132,
    "tests/grader/run/test_resume.py": 125,
    "tests/test_inside.py[tests/grader/checks]": 113,
    "tests/grader/test_exercises.py[01-containers]": 91,
    "tests/lab/test_offline.py": 84,
    "tests/lab/test_cluster.py": 82,
    "tests/lab/test_first_run.py[test_killed_while_python_packages_are_installed]": 80,
    "tests/grader/run/test_fairness.py": 67,
    "tests/grader/sandbox/test_connections.py": 75,
    "tests/grader/sandbox/test_guard.py": 52,
    "tests/grader/sandbox/test_second_line.py": 60,
    "tests/grader/sandbox/test_users.py": 45,
    "tests/lab/test_edition.py": 45,
    "tests/grader/run/test_grade_end_to_end.py": 43,
    "tests/grader/run/test_check.py": 60,
    "tests/grader/run/test_nodes.py": 25,
    "tests/test_instructor.py": 39,
    "tests/test_inside.py[tests/lab/notebook]": 35,
    "tests/test_inside.py[tests/lab/build/standins]": 34,
    "tests/grader/test_exercises.py[00-check-your-lab]": 34,
    "tests/test_accessibility.py": 60,
    # the first four took 264 s together
    "tests/test_sections.py[06]": 60,
    "tests/test_sections.py[09]": 60,
    "tests/test_sections.py[18]": 60,
    "tests/test_sections.py[19]": 60,
    "tests/test_sections.py[05]": 44,
    "tests/test_start_page.py": 40,
    "tests/test_browser.py": 30,
    "tests/grader/startpage/test_page.py": 20,
    "tests/test_style.py": 16,
    "tests/lab/build/test_template.py": 15,
    "tests/test_inside.py[tests/lab/cluster, transcripts to 19]": 120,
    "tests/test_inside.py[tests/lab/cluster, transcripts from 20]": 90,
    "tests/test_inside.py[tests/lab/cluster, behaviour]": 160,
    "tests/lab/test_first_run.py[test_killed_while_the_image_is_built]": 13,
}
LITTLE = 1
# While one worker makes the images, the others do what needs none.
NEED_IMAGES = ("machine", "grading", "browser", "lesson")
NEEDS_NO_IMAGE = "tests/lab/test_first_run.py[test_killed_while_python_packages_are_installed]"


def group_of(nodeid: str) -> str:
    """The group of a test."""
    file = nodeid.partition("::")[0]
    file = GRADED_WITH.get(file, file)
    found = PARTS[file].search(nodeid) if file in PARTS else None
    if not found:
        return file
    part = found[1]
    if file == "tests/test_lessons.py":
        first = int(part) // LESSONS_TOGETHER * LESSONS_TOGETHER
        part = f"{first:02}-{first + LESSONS_TOGETHER - 1:02}"
    return f"{file}[{part}]"


def in_order(items: Sequence[pytest.Item]) -> list[pytest.Item]:
    """The tests group by group: one that makes the images, those that need none, then the others,
    the longest first.
    """
    groups: dict[str, list[pytest.Item]] = {}
    for item in items:
        groups.setdefault(group_of(item.nodeid), []).append(item)
    longest_first = sorted(groups, key=lambda group: -SECONDS.get(group, LITTLE))
    early = [
        group
        for group in longest_first
        if group == NEEDS_NO_IMAGE or not _needs_images(groups[group])
    ]
    late = [group for group in longest_first if group not in early]
    return [item for group in [*late[:1], *early, *late[1:]] for item in groups[group]]


def _needs_images(items: Sequence[pytest.Item]) -> bool:
    return any(item.get_closest_marker(marker) for item in items for marker in NEED_IMAGES)


class LongestFirst(LoadScopeScheduling):
    """Deals out groups in the order of the tests, the next one only to a worker that is at its last
    test.
    """

    def __init__(self, config: pytest.Config, log: Producer | None = None) -> None:
        super().__init__(config, log)
        config.option.loadscopereorder = False

    def _split_scope(self, nodeid: str) -> str:
        return group_of(nodeid)

    def _reschedule(self, node: WorkerController) -> None:
        """A worker starts a test when it knows the one after it; so its last one, and no more,
        waits for the next group.
        """
        if (
            node.shutting_down
            or not self.workqueue
            or self._pending_of(self.assigned_work[node]) < 2
        ):
            super()._reschedule(node)


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> LongestFirst:
    """How tests are dealt to workers."""
    return LongestFirst(config, log)
