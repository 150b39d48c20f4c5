"""Errors of the learning room: one clear line each, fit to be shown to the user as they are."""

from idml.errors import IdmlError


class LearningError(IdmlError, ValueError):
    """A value that learning cannot work with; the message names it and says what to do."""

    exit_code = 2


class DataError(LearningError):
    """A data set that is missing, damaged or out of reach; the message names the file and says what to do."""
