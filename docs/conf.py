"""How Sphinx builds the site of these pages: `bin/lab docs`."""

project = "Docker and Kubernetes, hands on"
author = "the course's authors"
extensions = ["myst_parser", "lab.docs.extension"]
exclude_patterns = ["_static"]

myst_enable_extensions = ["colon_fence"]
myst_fence_as_directive = ["mermaid"]
myst_heading_anchors = 3
nitpicky = True
smartquotes = False  # `--` stays an option

html_theme = "pydata_sphinx_theme"
html_title = project
html_static_path = ["_static"]
html_css_files = ["course.css"]
html_copy_source = False
html_show_sourcelink = False
html_show_copyright = False
html_use_index = False
html_context = {"default_mode": "auto"}
html_theme_options = {
    "header_links_before_dropdown": 7,
    "navbar_align": "left",
    "show_prev_next": True,
    "navigation_with_keys": False,
    "footer_start": [],
    "footer_end": [],
    "secondary_sidebar_items": ["page-toc"],
    "logo": {"text": "Docker and Kubernetes"},
}
