"""Dose orders without a framework: the formulary, what an order may say, and the guard before a dose is recorded."""
