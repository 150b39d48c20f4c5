"""The data sets that there are, and the ways to deal one out."""

from typing import TYPE_CHECKING, Final

from idml.registry import Registry

if TYPE_CHECKING:  # to know names costs nothing
    from idml.learning.data.partition import Partition
    from idml.learning.data.source import DataSource

DATASETS: "Final[Registry[DataSource]]" = Registry(
    "dataset",
    base="idml.learning.data.source:DataSource",
    built_in={
        "fashion-mnist": "idml.learning.data.fashion_mnist:FashionMnist",
        "cifar10": "idml.learning.data.cifar10:Cifar10",
        "hapt": "idml.learning.data.hapt:Hapt",
        "digits": "idml.learning.data.digits:Digits",
    },
    check="idml.learning.data.checker:check_dataset",
    group="idml.datasets",
    files={".npz": "idml.learning.data.npz:read_npz", "/": "idml.learning.data.folders:read_folder"},
    adopt="idml.learning.data.datasets:adopt_dataset",
)

PARTITIONS: "Final[Registry[Partition]]" = Registry(
    "partition",
    base="idml.learning.data.partition:Partition",
    built_in={
        "iid": "idml.learning.data.partitions:Iid",
        "two-class": "idml.learning.data.partitions:TwoClass",
        "dirichlet": "idml.learning.data.partitions:Dirichlet",
        "owners": "idml.learning.data.partitions:Owners",
        "natural": "idml.learning.data.partitions:Natural",
    },
    check="idml.learning.data.checker:check_partition",
    group="idml.partitions",
)
