"""Batch events in both directions: consumer, publisher, relay, service, integration."""
