"""Sweeps: many runs of one notebook or of several that build on each other.

`read_sheet` (a YAML file) or `read_flags` give entries, `Plan.make` the runs, `Driver` carries them out at a place.
"""
