"""`bin/lab bench`: how fast sandboxes are made and classes graded, here and by other graders."""
