"""Figures for Prometheus: kept by its client, read at ``/metrics``."""
