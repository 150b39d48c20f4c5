"""The networks that there are."""

from typing import TYPE_CHECKING, Final

from idml.registry import Registry

if TYPE_CHECKING:  # to know names costs nothing
    from idml.learning.networks import Network

MODELS: "Final[Registry[Network]]" = Registry(
    "model",
    base="idml.learning.networks:Network",
    built_in={
        "linear": "idml.learning.networks:Linear",
        "small": "idml.learning.networks:Small",
        "cnn6": "idml.learning.networks:Cnn6",
        "cnn10": "idml.learning.networks:Cnn10",
        "cnn14": "idml.learning.networks:Cnn14",
        "mlp": "idml.learning.torch_networks:Mlp",
        "embedding": "idml.learning.torch_networks:Embedding",
    },
    check="idml.learning.checker:check_model",
    group="idml.models",
    adopt="idml.learning.networks:adopt_function",
)
