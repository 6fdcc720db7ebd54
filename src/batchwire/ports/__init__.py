"""Every door between the engine and the world, one Protocol a file."""
