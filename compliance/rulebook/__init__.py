"""Compliance rules over the transparency log, without a framework: rules as data, and an evaluator that replays.

A rule reads log records in their order and nothing else: no clock, no database. The same log therefore gives the same
verdicts, however it is cut into batches, and anybody who holds the records can check them.
"""
