"""One technology, one room; none knows another."""
