"""The one base of all errors that idml raises for its users."""


class IdmlError(Exception):
    """Something that a user or caller can act on: the message is one line that says what is wrong and what to do."""
