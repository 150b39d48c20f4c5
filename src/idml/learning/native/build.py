"""Compiles the native library: with GCC or clang, else with the zig that comes as the Python package `ziglang`.

Needs nothing but the standard library, as a build of the package runs it before there is any other.

    python -m idml.learning.native.build [--compiler zig] [--target aarch64-linux-gnu.2.17] [--out FILE]
"""

import argparse
import platform
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path

SOURCES = Path(__file__).parent / "cpp"
COMPILERS = ("g++", "clang++", "zig")
PORTABLE_TARGETS = {"x86_64": "x86_64-linux-gnu.2.17", "aarch64": "aarch64-linux-gnu.2.17"}
"""What zig builds for on Linux: any distribution since 2014."""

# No contraction: whether a * b + c is rounded once or twice must not be the compiler's to choose.
_FLAGS = (
    *("-std=c++17", "-ffp-contract=off", "-fno-math-errno", "-fno-exceptions", "-fno-rtti"),
    *("-fPIC", "-fvisibility=hidden", "-Wall", "-Wextra", "-Wno-psabi"),
)
NO_COMPILER = "there is no C++ compiler (g++, clang++, or the Python package ziglang)"
_X86_SETS = ("x86_64_v4", "x86_64_v3")


class BuildError(Exception):
    """The library cannot be compiled; the message is one line."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """How to compile.

    Args:
        compiler: one of `COMPILERS`.
        target: a triple that zig knows; None for this machine.
        sets: instruction sets, best first; by default all that the target's processors may have.
        optimize: -O2 or -O3: the same bits; zig takes one for the other.
        flags: more of them.
    """

    compiler: str
    target: str | None = None
    sets: tuple[str, ...] = ()
    optimize: str = "-O3"
    flags: tuple[str, ...] = field(default=())


def file_name(target: str | None = None) -> str:
    """Of the library on this system, or on a target of zig's."""
    system = target or {"darwin": "macos", "win32": "windows"}.get(sys.platform, "linux")
    suffix = ".dylib" if "macos" in system else ".dll" if "windows" in system else ".so"
    return f"libidml_native{suffix}"


def library_path() -> Path:
    """Where the library lies that this package loads."""
    return Path(__file__).parent / file_name()


def compilers() -> list[str]:
    """Those of `COMPILERS` that are to be had and new enough, in this order."""
    return [name for name in COMPILERS if (find_spec("ziglang") if name == "zig" else _is_fit(name))]


def build(out: Path, recipe: Recipe, *, program: Path | None = None) -> Path:
    """Compile the library, or a program that has it inside.

    Args:
        out: the file to write; it appears whole or not at all.
        recipe: how.
        program: a C++ file with `main`, for a program.

    Raises:
        BuildError: the compiler failed, or knows no fit instruction set.
    """
    sets = recipe.sets or _usual_sets(recipe)
    command = [sys.executable, "-m", "ziglang", "c++"] if recipe.compiler == "zig" else [recipe.compiler]
    if recipe.target:
        command += ["-target", recipe.target]
    flags = (*_FLAGS, recipe.optimize, *recipe.flags)
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=out.parent, prefix=".native-") as folder:
        objects = [Path(folder) / f"{name}.o" for name in (*sets, "library")]
        for name, made in zip(sets, objects, strict=False):
            source = str(SOURCES / "kernels.cpp")
            _run([*command, *flags, *_set_flags(recipe, name), f"-DIDML_SET={name}", "-c", source, "-o", str(made)])
        listed = " ".join(f"SET({name})" for name in sets)
        baseline = _set_flags(recipe, "baseline")
        library = str(SOURCES / "library.cpp")
        _run([*command, *flags, *baseline, f"-DIDML_SETS={listed}", "-c", library, "-o", str(objects[-1])])
        made = Path(folder) / out.name
        link = [*command, *recipe.flags, *map(str, objects), "-o", str(made)]
        if program is not None:
            link += [*flags, *baseline, f"-I{SOURCES}", str(program)]
        else:
            link += ["-shared", *(() if "macos" in file_name_system(recipe) else ("-s",))]
        _run([*link, *(("-nostdlib++",) if recipe.compiler == "zig" else ())])
        made.replace(out)
    return out


def build_alone(out: Path, source: Path, recipe: Recipe, instruction_set: str) -> Path:
    """Compile a program of one file, which may include the library's, for one instruction set.

    Raises:
        BuildError: the compiler failed.
    """
    command = [sys.executable, "-m", "ziglang", "c++"] if recipe.compiler == "zig" else [recipe.compiler]
    flags = (*_FLAGS, recipe.optimize, *_set_flags(recipe, instruction_set), f"-I{SOURCES}")
    _run([*command, *flags, str(source), "-o", str(out)])
    return out


def file_name_system(recipe: Recipe) -> str:
    """The system that a recipe builds for: linux, macos or windows."""
    suffix = Path(file_name(recipe.target)).suffix
    return {".dylib": "macos", ".dll": "windows"}.get(suffix, "linux")


def build_with_any(out: Path) -> str:
    """Compile the library with the first compiler that can; returns its name.

    Raises:
        BuildError: there is none, or all failed.
    """
    problem = NO_COMPILER
    for name in compilers():
        try:
            build(out, Recipe(name))
        except BuildError as error:
            problem = str(error)
        else:
            return name
    raise BuildError(problem)


def _is_fit(name: str) -> bool:
    """Whether a compiler is there and knows the built-ins that the library is written with: GCC 12, clang 17."""
    probe = (
        "typedef float V __attribute__((vector_size(8)));\n"
        "V f(V a, V b) { return __builtin_shufflevector(a, b, 0, 2); }\n"
        "#ifdef __clang__\nV g(V a, V b) { return __builtin_elementwise_fma(a, b, b); }\n#endif\n"
    )
    if shutil.which(name) is None:
        return False
    command = [name, "-std=c++17", "-w", "-fsyntax-only", "-x", "c++", "-"]
    return subprocess.run(command, input=probe, capture_output=True, text=True).returncode == 0


def _usual_sets(recipe: Recipe) -> tuple[str, ...]:
    machine = (recipe.target or platform.machine()).partition("-")[0].lower()
    if machine in ("x86_64", "amd64"):
        return _X86_SETS
    if machine in ("aarch64", "arm64"):
        return ("aarch64",)
    raise BuildError(f"the native library is for x86-64 and 64-bit ARM: this is {machine}")


def _set_flags(recipe: Recipe, name: str) -> tuple[str, ...]:
    """What has the compiler use an instruction set; "baseline" is what every processor of the kind has."""
    wide = ("-mprefer-vector-width=512",) if name == "x86_64_v4" else ()  # else vectors of 16 are cut in two
    if recipe.compiler != "zig":
        return (f"-march={name.replace('_', '-')}", *wide) if name.startswith("x86_64_") else ()
    if name.startswith("x86_64_"):
        return (f"-mcpu={name}", *wide)
    return ("-mcpu=x86_64",) if "x86" in (recipe.target or platform.machine()) else ()


def _run(command: Sequence[str]) -> None:
    try:
        finished = subprocess.run(command, capture_output=True, text=True)
    except OSError as error:
        raise BuildError(f"{command[0]} cannot be run: {error.strerror}") from error
    if finished.returncode:
        lines = [line for line in finished.stderr.splitlines() if "error" in line] or finished.stderr.splitlines()
        raise BuildError(f"{command[0]} cannot compile the native library: {lines[0] if lines else 'no message'}")
    sys.stderr.write(finished.stderr)


def main() -> int:
    """Build from the command line."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--compiler", choices=COMPILERS, help="by default the first that is to be had")
    parser.add_argument("--target", help="for zig: another machine, such as aarch64-linux-gnu.2.17")
    parser.add_argument("--sets", nargs="+", choices=_X86_SETS, default=[], help="instruction sets, best first")
    parser.add_argument("--out", type=Path, default=library_path())
    options = parser.parse_args()
    try:
        if options.compiler or options.target or options.sets:
            compiler = options.compiler or ("zig" if options.target else next(iter(compilers()), "zig"))
            build(options.out, Recipe(compiler, options.target, tuple(options.sets)))
        else:
            build_with_any(options.out)
    except BuildError as error:
        print(f"idml: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
