"""The learning algorithms that there are."""

from typing import TYPE_CHECKING, Final

from idml.adapters.errors import AdapterError
from idml.registry import Registry

if TYPE_CHECKING:  # to know names costs nothing
    from idml.adapters.base import Adapter

ALGORITHMS: "Final[Registry[Adapter]]" = Registry(
    "algorithm",
    base="idml.adapters.base:Adapter",
    built_in={"gossip": "idml.adapters.gossip:Gossip", "oppcl": "idml.adapters.oppcl:OppCL"},
    check="idml.adapters.checker:check_adapter",
    group="idml.algorithms",
    error=AdapterError,
)
