"""The sources of contacts that there are, beside traces."""

import os
from typing import TYPE_CHECKING, Final

from idml.registry import Registry

if TYPE_CHECKING:  # to know names costs nothing
    from idml.simulation.contacts.base import ContactSource

EVEN: Final = "even"
"""Names the default source of contacts."""

CONTACTS: "Final[Registry[ContactSource]]" = Registry(
    "contacts",
    base="idml.simulation.contacts.base:ContactSource",
    built_in={EVEN: "idml.simulation.contacts.sources:Even"},
    check="idml.simulation.contacts.checker:check_contacts",
    group="idml.contacts",
)


def names_source(contacts: str) -> bool:
    """Whether a configuration's `contacts` names a source in the registry; if not, it names a trace's file."""
    return contacts in CONTACTS.built_in or (not os.path.isfile(contacts) and CONTACTS.knows(contacts))
