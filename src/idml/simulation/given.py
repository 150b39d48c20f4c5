"""Plug-ins that `idml.run` is given as objects: they stand in a configuration by a name while the run goes on."""

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import Any, Final

from idml.adapters.registry import ALGORITHMS
from idml.learning.data.registry import DATASETS, PARTITIONS
from idml.learning.judging.registry import DEFENCES, RULES
from idml.learning.registry import MODELS
from idml.registry import Registry
from idml.simulation.contacts.registry import CONTACTS

_REGISTRIES: Final[Mapping[str, Registry[Any]]] = {
    kind.kind: kind for kind in (ALGORITHMS, DATASETS, PARTITIONS, MODELS, RULES, DEFENCES, CONTACTS)
}
"""By the configuration key that names such a thing."""


@contextmanager
def names_of_given(settings: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Give the settings with a name in place of each object that stands where a plug-in is named.

    A name leads to its object until the context ends: see `Registry.given`.

    Args:
        settings: values by configuration key.

    Raises:
        PluginError: an object is of another kind.
    """
    with ExitStack() as lent:
        yield {
            key: lent.enter_context(_REGISTRIES[key].given(value))
            if key in _REGISTRIES and not isinstance(value, str | None)
            else value
            for key, value in settings.items()
        }
