"""The documentation as a site that needs no network: the pages of docs/, the lessons, every
command's help.
"""
