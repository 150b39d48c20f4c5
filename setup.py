"""Compiles the native library into the package; all else that there is to know of it stands in pyproject.toml.

With IDML_NATIVE_TARGET, as zig names targets (x86_64-linux-gnu.2.17), a wheel is for any Linux on that processor.
"""

import os
import sys
from pathlib import Path

from setuptools import Extension, setup
from setuptools.command.bdist_wheel import bdist_wheel
from setuptools.command.build_ext import build_ext

sys.path.insert(0, str(Path(__file__).parent / "tools"))
from build_backend import load_build

build = load_build()
TARGET = os.environ.get("IDML_NATIVE_TARGET")
WHEEL_PLATFORMS = {
    "x86_64-linux-gnu.2.17": "manylinux2014_x86_64.manylinux_2_17_x86_64",
    "aarch64-linux-gnu.2.17": "manylinux2014_aarch64.manylinux_2_17_aarch64",
}
if TARGET is not None and TARGET not in WHEEL_PLATFORMS:
    sys.exit(f"IDML_NATIVE_TARGET is {TARGET!r}: choose one of {', '.join(WHEEL_PLATFORMS)}")


class BuildLibrary(build_ext):
    """A library that Python loads by its C interface, so its name tells of no version of Python."""

    def get_ext_filename(self, fullname: str) -> str:
        return str(Path(*fullname.split(".")[:-1], build.file_name(TARGET)))

    def build_extension(self, ext: Extension) -> None:
        path = Path(self.get_ext_fullpath(ext.name))
        if TARGET:
            build.build(path, build.Recipe("zig", TARGET))
            return
        try:
            build.build_with_any(path)
        except build.BuildError as error:  # PyTorch takes over, and says so
            self.warn(str(error))


class PlatformWheel(bdist_wheel):
    """For any Python 3, on one platform."""

    def get_tag(self) -> tuple[str, str, str]:
        return "py3", "none", WHEEL_PLATFORMS[TARGET] if TARGET else super().get_tag()[2]


setup(
    ext_modules=[Extension("idml.learning.native.library_file", sources=[], optional=True)],
    cmdclass={"build_ext": BuildLibrary, "bdist_wheel": PlatformWheel},
)
