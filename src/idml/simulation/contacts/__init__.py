"""Who meets whom, when and for how long: evenly at random, as a trace has it, or by a source of your own."""

from idml.simulation.contacts.base import Contact, ContactSource

__all__ = ["Contact", "ContactSource"]
