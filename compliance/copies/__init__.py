"""A patient's copy of the own record: one zip of open formats, written by a worker and sealed at rest.

What is in it comes from parts that each package registers, so that the ground floor names no upper one.
"""
