"""setuptools' build backend, which also asks for a compiler where there is none: the zig of the package `ziglang`."""

import importlib.util
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType

from setuptools import build_meta
from setuptools.build_meta import *  # noqa: F403

ZIG = "ziglang==0.17.1"


def load_build() -> ModuleType:
    """The module that compiles the native library, without the package around it: nothing else is installed yet."""
    path = Path(__file__).parents[1] / "src" / "idml" / "learning" / "native" / "build.py"
    spec = importlib.util.spec_from_file_location("native_build", path)
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules[spec.name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def get_requires_for_build_wheel(config_settings: Mapping[str, str] | None = None) -> list[str]:
    """What a build needs to be installed."""
    own = build_meta.get_requires_for_build_wheel(config_settings)
    needs_zig = "IDML_NATIVE_TARGET" in os.environ or not load_build().compilers()
    return [*own, *([ZIG] if needs_zig else [])]


def get_requires_for_build_editable(config_settings: Mapping[str, str] | None = None) -> list[str]:
    """Likewise."""
    return get_requires_for_build_wheel(config_settings)
