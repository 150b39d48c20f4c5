"""What is wrong with an algorithm."""

from idml.registry import PluginError


class AdapterError(PluginError):
    """An adapter that breaks the contract of `Adapter`; the message says which method, how, and what to do."""
