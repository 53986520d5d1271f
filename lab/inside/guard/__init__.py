"""What a student may ask of the engine in a grading sandbox: ``policy`` decides, ``proxy`` carries
what it allows.
"""
