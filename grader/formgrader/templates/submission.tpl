{% from "cells.html.jinja" import source, outputs %}
{% set base_url = resources.base_url %}
{% set static = base_url ~ "/formgrader/static/" %}
{% set here = base_url ~ "/formgrader/submissions/" ~ resources.submission_id %}
<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<title>{{ resources.notebook_id }}</title>
<script nonce="{{ nonce }}">
{% for name, value in variables.items() if name != "base_url" %}
var {{ name }} = {{ value|tojson }};
{% endfor %}
var base_url = {{ (base_url ~ "/formgrader")|tojson }};
</script>
{% for file in ("jquery/dist/jquery.min", "jquery-color/dist/jquery.color.min", "underscore/underscore-min", "backbone/backbone-min", "bootstrap/dist/js/bootstrap.min", "autosize/dist/autosize.min") %}
<script src="{{ static }}node_modules/{{ file }}.js"></script>
{% endfor %}
<script src="{{ static }}js/backbone_xsrf.js"></script>
<script src="{{ static }}js/formgrade_keyboardmanager.js"></script>
<script src="{{ static }}js/formgrade_models.js"></script>
<script src="{{ base_url }}/formgrader/course/course.js"></script>
<script src="{{ static }}js/formgrade.js"></script>
<script src="{{ static }}js/utils.js"></script>
<link rel="stylesheet" href="{{ static }}node_modules/bootstrap/dist/css/bootstrap.min.css">
<link rel="stylesheet" href="{{ static }}css/formgrade.css">
<style>
{{ style }}
{% include "cells.css" %}
.framed img { border: 0; }
.framed pre, .released pre, .verdict pre { white-space: pre-wrap; }
</style>
</head>
<body>
<nav class="navbar navbar-default navbar-fixed-top">
  <div class="container">
    <ul class="nav navbar-nav navbar-left">
      <li class="previous"><a href="{{ here }}/prev" title="{{ resources.index }} remaining">&larr; Prev</a></li>
    </ul>
    <ul class="nav navbar-nav navbar-right">
      <li class="next"><a class="tabbable" href="{{ here }}/next" title="{{ resources.total - resources.index - 1 }} remaining">Next &rarr;</a></li>
    </ul>
    <ul class="breadcrumb text-center">
      <li><a href="{{ base_url }}/formgrader/gradebook">Manual Grading</a></li>
      <li><a href="{{ base_url }}/formgrader/gradebook/{{ resources.assignment_id|urlencode }}">{{ resources.assignment_id }}</a></li>
      <li><a href="{{ base_url }}/formgrader/gradebook/{{ resources.assignment_id|urlencode }}/{{ resources.notebook_id|urlencode }}">{{ resources.notebook_id }}</a></li>
      <li class="active">
        <span class="name-hidden">Submission #{{ resources.index + 1 }}</span>
        <bdi class="name-shown">{% if resources.last_name and resources.first_name %}{{ resources.last_name|visible }}, {{ resources.first_name|visible }}{% else %}{{ resources.student|visible }}{% endif %}</bdi>
        <span class="glyphicon glyphicon-eye-open name-hidden" title="Show student name"></span>
        <span class="glyphicon glyphicon-eye-close name-shown" title="Hide student name"></span>
      </li>
    </ul>
  </div>
</nav>
<main class="container">
<h4>{{ resources.notebook_id }} <small class="pull-right">Submission {{ resources.index + 1 }} / {{ resources.total }}</small></h4>
<p class="text-muted">What the student wrote, and what their code showed, is in dashed frames. A link in it is only text: copy the address if you trust it.</p>
{% for cell in cells %}
{% set claim = cell.claim %}
{% set marked = claim.grade or claim.task %}
{% if marked or claim.solution %}
<div class="panel panel-primary nbgrader_cell">
  <div class="panel-heading">
    <span class="nbgrader-label">{% if claim.task %}Student's task{% elif claim.solution %}Student's answer{% else %}Check <code>{{ claim.grade_id }}</code>{% endif %}</span>
    {% if claim.solution or claim.task %}<span class="glyphicon glyphicon-ok comment-saved save-icon"></span>{% endif %}
    {% if marked %}
    <span class="glyphicon glyphicon-ok save-icon score-saved"></span>
    <div class="pull-right">
      <span class="btn-group btn-group-sm scoring-buttons" role="group">
        <button type="button" class="btn btn-warning mark-graded">Resolve</button>
        <button type="button" class="btn btn-success full-credit">Full credit</button>
        <button type="button" class="btn btn-danger no-credit">No credit</button>
      </span>
      <input class="score tabbable" id="{{ claim.grade_id }}" style="width: 4em" type="number" aria-label="points"> / {{ claim.points|float|round(2) }}
      + <input class="extra-credit tabbable" id="{{ claim.grade_id }}_extra_credit" style="width: 3em" type="number" aria-label="extra credit"> (extra credit)
    </div>
    {% endif %}
  </div>
  <div class="panel-body">{{ source(cell, "Student's") }}</div>
  {% if claim.solution or claim.task %}
  <div class="panel-footer"><textarea id="{{ claim.grade_id }}-comment" class="comment tabbable" aria-label="comment"></textarea></div>
  {% endif %}
</div>
{% else %}
{{ source(cell, "Student's") }}
{% endif %}
{{ outputs(cell, "Student's") }}
{% endfor %}
</main>
<div class="help"><span class="glyphicon glyphicon-question-sign"></span></div>
<div id="statusmessage"></div>
</body>
</html>
