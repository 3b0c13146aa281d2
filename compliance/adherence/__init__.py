"""Taking medicine as planned: schedules, verified intakes, measures, and the risk of missing the next dose.

Plain Python and NumPy; time, randomness and history arrive as arguments.
"""
