"""The one base of all errors that idml raises for its users."""

from typing import ClassVar


class IdmlError(Exception):
    """Something that a user or caller can act on: the message is one line that says what is wrong and what to do.

    Class attributes:
        exit_code: of the command line: 2 for what the user can mend before anything has run, else 1.
    """

    exit_code: ClassVar[int] = 1


class MissingPackageError(IdmlError):
    """A package that only some uses of idml need is not installed; the message says how to get it."""

    exit_code = 2
