{% extends "nbgrader/manage_submissions.tpl" %}
{% block without %}.autograde, .release-feedback{% endblock %}
{% block messages %}
<div class="alert alert-info">
  What needs autograding is graded from a terminal: <code>bin/lab grade {{ assignment_id }}</code>
</div>
{% endblock %}
{% block table_header %}
<tr>
  <th>Student name</th>
  <th class="text-center">Student</th>
  <th class="text-center">Handed in</th>
  <th class="text-center">Status</th>
  <th class="text-center">Points</th>
  <th class="text-center no-sort">Write feedback page</th>
</tr>
{% endblock %}
{% block table_body %}<tr><td colspan="6">Loading, please wait...</td></tr>{% endblock %}
