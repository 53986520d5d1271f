<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<title>Formgrader</title>
{% set static = base_url ~ "/formgrader/static/" %}
<script nonce="{{ nonce }}">
{% for name, value in variables.items() %}
var {{ name }} = {{ value|tojson }};
{% endfor %}
</script>
{% for file in ("jquery/dist/jquery.min", "underscore/underscore-min", "backbone/backbone-min", "bootstrap/dist/js/bootstrap.min", "datatables.net/js/jquery.dataTables", "datatables.net-bs/js/dataTables.bootstrap") %}
<script src="{{ static }}node_modules/{{ file }}.js"></script>
{% endfor %}
{% for file in ("backbone_xsrf", "utils", script) if not error_code or file != script %}
<script src="{{ static }}js/{{ file }}.js"></script>
{% endfor %}
<script src="{{ base_url }}/formgrader/course/course.js"></script>
<link rel="stylesheet" href="{{ static }}node_modules/bootstrap/dist/css/bootstrap.min.css">
<link rel="stylesheet" href="{{ static }}node_modules/datatables.net-bs/css/dataTables.bootstrap.css">
<link rel="stylesheet" href="{{ static }}css/nbgrader.css">
</head>
<body data-without="{% block without %}{% endblock %}">
<div class="container-fluid">
  <div class="page-header"><h1>{% block title %}{% endblock %}</h1></div>
  <div class="row">
    <div class="col-md-2">
      <ul class="nav nav-pills nav-stacked">{% block sidebar %}{% endblock %}</ul>
    </div>
    <div class="col-md-10">
      {% block body %}
      {% block breadcrumbs %}{% endblock %}
      {% block messages %}{% endblock %}
      <table class="table table-hover">
        <thead>{% block table_header %}{% endblock %}</thead>
        <tbody id="main-table">{% block table_body %}{% endblock %}</tbody>
        <tfoot>{% block table_footer %}{% endblock %}</tfoot>
      </table>
      {% endblock %}
    </div>
  </div>
</div>
</body>
</html>
