{% set error_code = 404 %}
{% set base_url = resources.base_url %}
{% extends "base.tpl" %}
{% block title %}Not graded{% endblock %}
{% block body %}
<p>There is no graded notebook of this submission. In a terminal:
<code>bin/lab grade {{ resources.assignment_id }}</code></p>
{% endblock %}
