"""What stays in the memory of this process."""
