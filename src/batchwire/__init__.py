"""Batchwire: a template and a list of recipients in, an SMS to each of them out."""

__version__ = "0.1.0"
