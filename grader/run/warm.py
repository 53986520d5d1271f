"""Imported once, in the process that all submissions' processes are forked from: what each of them
would import and compile again. Nothing here may start a thread.
"""

import gc

from grader.pages import feedback
from grader.run import child as child

feedback.warm_up()
gc.freeze()  # what is here stays: no fork has to look at it, and so to copy it
