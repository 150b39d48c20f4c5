"""The one error of this room."""


class StoreError(Exception):
    """A run cannot be created, read or written; the message is one line that names the path and what to do."""
