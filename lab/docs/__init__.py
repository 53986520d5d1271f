"""The documentation as a site that needs no network: docs/, the lessons, every command's help."""
