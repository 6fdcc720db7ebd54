"""The reference pages, made from the code: ``python -m docs_build [--check]``."""
