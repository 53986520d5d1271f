{% extends "nbgrader/manage_assignments.tpl" %}
{% block without %}.status, .assign, .release, .collect, .release-feedback{% endblock %}
{% block messages %}
<div class="alert alert-info">
  <p>In a terminal, <code>bin/lab</code> does the rest of the work:</p>
  <ul>
    <li><code>bin/lab release</code> checks exercises and writes what students get, below <code>assignments/</code>.</li>
    <li><code>bin/lab collect FILE...</code> sorts what students handed in.</li>
    <li><code>bin/lab grade ASSIGNMENT</code> grades it in sandboxes.</li>
  </ul>
  <p>Then read answers here, under <b>Manual Grading</b>. The speech bubble writes the feedback pages
  again, with your marks and comments, as <code>bin/lab feedback ASSIGNMENT</code> does.</p>
</div>
{% endblock %}
{% block table_header %}
<tr>
  <th>Exercise</th>
  <th class="text-center">Due date</th>
  <th class="text-center no-sort">Edit due date</th>
  <th class="text-center no-sort">What students get</th>
  <th class="text-center">Submissions</th>
  <th class="text-center no-sort">Write feedback pages</th>
</tr>
{% endblock %}
{% block table_body %}<tr><td colspan="6">Loading, please wait...</td></tr>{% endblock %}
{% block table_footer %}{% endblock %}
