"""What to type where a package is missing that only some uses of idml need."""

import os
from pathlib import Path
from types import MappingProxyType
from typing import Final

PACKAGES: Final = MappingProxyType(
    {
        "torch": "torch",
        "fast": "safe-pysha3 pyrevm==0.3.7",
        "chain": "eth-account requests web3",
        "ray": "ray",
        "data": "pandas pyarrow",
        "images": "pillow",
        "tensorboard": "tensorboard",
    }
)
"""By extra of `pyproject.toml`, what it brings, as pip takes it."""

_ROOT: Final = Path(__file__).parents[2]


def how_to_install(extra: str) -> str:
    """The command that brings what an extra stands for.

    In a checkout it asks for the tested versions. Elsewhere it names the packages themselves: the name of this project
    may be somebody else's on an index.

    Args:
        extra: a key of `PACKAGES`.
    """
    if os.path.isfile(_ROOT / "pyproject.toml") and os.path.isfile(_ROOT / "constraints.txt"):
        return f"pip install -c constraints.txt -e '.[{extra}]'"
    return f"pip install {PACKAGES[extra]}"


def hint(error: BaseException) -> str:
    """What to say after an import error: how to get the missing package, if an extra has it; else nothing."""
    missing = (getattr(error, "name", None) or "").partition(".")[0]
    extra = next((extra for extra, module in _MODULES.items() if missing in module), None)
    return f"; install it: {how_to_install(extra)}" if isinstance(error, ImportError) and extra else ""


_MODULES: Final = {
    "torch": ("torch",),
    "chain": ("web3", "eth_account", "requests"),
    "ray": ("ray",),
    "data": ("pandas", "pyarrow"),
    "images": ("PIL",),
    "tensorboard": ("tensorboard",),
}
"""By extra, the modules by which its packages are imported."""
