"""Texts of others on a line of ours: nothing in them moves a cursor or turns a line."""


def printable(text: str) -> str:
    """Return ``text`` with a space for each line break, control or format character."""
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else " " for char in text)
