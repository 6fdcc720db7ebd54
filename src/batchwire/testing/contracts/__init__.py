"""
One suite for each port: a test class that every adapter of the port inherits.

The subclass is named ``Test…`` and gives the fixtures that the docstring of the contract
asks for; pytest with ``asyncio_mode = auto`` runs the rest.
"""
