{% extends "nbgrader/gradebook_notebook_submissions.tpl" %}
{% block messages %}<button id="toggle_names">Show All Names</button>{% endblock %}
