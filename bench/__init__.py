"""
How fast it is, beside the floor: what the same work costs bare.

``make bench`` runs all; the figures promised stand in each bench as ``at_least`` or
``at_most``. What a machine does not reach is reported as measured.
"""
