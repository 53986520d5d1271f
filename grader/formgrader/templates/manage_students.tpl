{% extends "nbgrader/manage_students.tpl" %}
{% block table_footer %}
<tr>
  <td colspan="5">
    <span class="glyphicon glyphicon-plus" aria-hidden="true"></span>
    <a href="#" id="add-student">Add new student...</a>
  </td>
</tr>
{% endblock %}
