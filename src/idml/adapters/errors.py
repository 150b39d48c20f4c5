"""What is wrong with an algorithm."""


class AdapterError(ValueError):
    """An adapter that breaks the contract of `Adapter`; the message says which method, how, and what to do."""
