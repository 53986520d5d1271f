"""What a student may ask of the engine in grading: ``policy`` decides, ``proxy`` carries it."""
