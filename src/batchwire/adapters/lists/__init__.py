"""Lists that a request only names: files and URLs that the settings allow, and uploads."""
