"""`bin/lab bench`: how fast sandboxes are made and classes are graded here, beside other graders
that do the same work.
"""
