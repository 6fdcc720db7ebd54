"""Any SMS provider with an HTTP API, by settings."""
