"""Lists that a request only names: files, where the settings allow them."""
