"""What every room's tests may ask for."""

pytest_plugins = ["batchwire.testing.kafka.fixtures"]
