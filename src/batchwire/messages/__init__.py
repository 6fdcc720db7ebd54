"""The wire: the three messages, their records, reading and writing both."""
