"""The one error of this room."""

from idml.errors import IdmlError


class StoreError(IdmlError):
    """A run cannot be created, read or written; the message is one line that names the path and what to do."""
