"""nbgrader's configuration of the course: formgrader and the ``nbgrader`` commands read it when
they start in this folder.
"""

from grader.exercise.nbgrader import converter_config

c = get_config()  # type: ignore[name-defined]  # noqa: F821
c.merge(converter_config())
c.CourseDirectory.course_id = "docker-kubernetes"
# Formgrader and a grading run may write at the same time.
c.CourseDirectory.db_url = "sqlite:///gradebook.db?timeout=60"
# bin/lab does this work: in sandboxes, with checks, without hidden tests. nbgrader's own commands
# for it end with a sentence that says which command to use.
REFUSALS = "grader.formgrader.refusals"
c.GenerateFeedback.exporter_class = f"{REFUSALS}.WritePages"
c.Autograde.exporter_class = f"{REFUSALS}.GradeInSandbox"
c.GenerateAssignment.exporter_class = f"{REFUSALS}.ReleaseChecked"
c.ExchangeFactory.release_assignment = f"{REFUSALS}.ReleaseAssignment"
c.ExchangeFactory.release_feedback = f"{REFUSALS}.ReleaseFeedback"
c.ExchangeFactory.collect = f"{REFUSALS}.Collect"
c.ZipCollectApp.extractor_plugin = f"{REFUSALS}.Unpack"
c.ExportApp.plugin_class = f"{REFUSALS}.Export"
