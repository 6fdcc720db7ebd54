"""How a batch goes from a list to its last answer; each file is one step."""
