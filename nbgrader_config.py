"""nbgrader's configuration of the course: formgrader and the ``nbgrader`` commands read it when
they start in this folder.
"""

from grader.exercise.nbgrader import converter_config

c = get_config()  # type: ignore[name-defined]  # noqa: F821
c.merge(converter_config())
c.CourseDirectory.course_id = "docker-kubernetes"
# Formgrader and a grading run may write at the same time.
c.CourseDirectory.db_url = "sqlite:///gradebook.db?timeout=60"
# Formgrader shows what students wrote: nothing of it may act in the instructor's browser.
c.HTMLExporter.sanitize_html = True
c.HTMLExporter.filters = {
    "markdown2html": "grader.pages.feedback.markdown"
}  # formgrader's template leaves texts as they are
# nbgrader's own autograding would run submissions beside the gradebook.
c.Autograde.exporter_class = "grader.gradebook.record.GradeInSandbox"
