"""Compiles the native library with GCC or clang, or else with zig, which comes as the Python package `ziglang`.

It needs only the standard library, because the package is built before any other package is there.

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
"""The targets that zig builds for on Linux. Their libraries run on any distribution since 2014."""

# No contraction: the compiler must not choose whether a * b + c is rounded once or twice.
_FLAGS = (
    *("-std=c++17", "-ffp-contract=off", "-fno-math-errno", "-fno-exceptions", "-fno-rtti"),
    *("-fPIC", "-fvisibility=hidden", "-Wall", "-Wextra", "-Wno-psabi"),
)
NO_COMPILER = "there is no C++ compiler (g++, clang++, or the Python package ziglang)"
_X86_SETS = ("x86_64_v4", "x86_64_v3")


class BuildError(Exception):
    """The library cannot be compiled. The message is one line."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """How to compile.

    Args:
        compiler: one of `COMPILERS`.
        target: a target triple of zig; None for this machine.
        sets: instruction sets to compile for, the best first; by default all that the target's processors may have.
        optimize: -O2 or -O3. Results are the same bits; to zig, the two are the same.
        flags: further flags of the compiler.
    """

    compiler: str
    target: str | None = None
    sets: tuple[str, ...] = ()
    optimize: str = "-O3"
    flags: tuple[str, ...] = field(default=())


def file_name(target: str | None = None) -> str:
    """Name of the library's file on this system, or on a target of zig."""
    system = target or {"darwin": "macos", "win32": "windows"}.get(sys.platform, "linux")
    suffix = ".dylib" if "macos" in system else ".dll" if "windows" in system else ".so"
    return f"libidml_native{suffix}"


def library_path() -> Path:
    """Path of the library that this package loads."""
    return Path(__file__).parent / file_name()


def compilers() -> list[str]:
    """Those of `COMPILERS` that are installed and new enough, in this order."""
    return [name for name in COMPILERS if (find_spec("ziglang") if name == "zig" else _is_fit(name))]


def build(out: Path, recipe: Recipe, *, program: Path | None = None) -> Path:
    """Compile the library, or a program that contains it.

    Args:
        out: the file to write. If compiling fails, it is not written at all.
        recipe: how to compile.
        program: a C++ file with `main`, to make a program.

    Returns:
        The file that was written.

    Raises:
        BuildError: if the compiler fails, or knows none of the instruction sets.
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
    """Compile a program from one file, for one instruction set. The file may include those of the library.

    Args:
        out: the file to write.
        source: the C++ file.
        recipe: how to compile.
        instruction_set: name of the instruction set.

    Raises:
        BuildError: if the compiler fails.
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
    """Compile the library with the first compiler that can do it.

    Returns:
        The compiler's name.

    Raises:
        BuildError: if there is no compiler, or all of them fail.
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
    """Whether a compiler is installed and knows the built-in functions that the library uses: from GCC 12, clang 17."""
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
    """Flags that let the compiler use an instruction set. Every processor of the kind has the set "baseline"."""
    wide = ("-mprefer-vector-width=512",) if name == "x86_64_v4" else ()  # without it, vectors of 16 are cut in two
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
