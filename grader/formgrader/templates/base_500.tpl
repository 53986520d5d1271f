{% extends "base.tpl" %}
{% block title %}Something went wrong{% endblock %}
{% block body %}
<p>Formgrader could not show this page. <code>bin/lab doctor</code> says whether the lab is as it should be.
<span id="error-{{ error_code }}"></span></p>
{% endblock %}
