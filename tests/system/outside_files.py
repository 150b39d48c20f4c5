"""Every function that reads a file from outside, with a file that it takes: what `test_outside.py` spoils.

Run as a program with a folder and names of readers, it reads spoiled files until one ends in anything but an error of
idml, in one line. It is a process of its own, as a file that is nested deep can end the process.
"""

import gzip
import io
import json
import re
import sys
import warnings
import zipfile
from argparse import Namespace
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from idml.errors import IdmlError

DEEP = 100_000
_PLACES = 12
"""Of numbers and of texts in a file, at which others are tried."""
EDGES = ("9223372036854775808", "18446744073709551616", "-1", "1e400", "9" * 4_301, '"x"', "[]", "{}", "null", "nan")
"""In place of each number of a text."""


@dataclass(frozen=True)
class Reader:
    """A function that reads a file from outside.

    Args:
        make: writes a file that it takes into a folder that is there; returns its path.
        read: reads it.
    """

    make: Callable[[Path], Path]
    read: Callable[[Path], object]


def spoiled(content: bytes, *, flips: int = 60) -> Iterator[tuple[str, bytes]]:
    """What a file may hold in place of its content, by what was done to it."""
    yield "nothing done", content
    yield "empty", b""
    yield "with a byte order mark", b"\xef\xbb\xbf" + content
    yield "in UTF-16", b"\xff\xfe" + content.decode("latin-1").encode("utf-16-le")
    yield "zeros", bytes(1_000)
    for part in (1, len(content) // 3, len(content) // 2, len(content) - 1):
        yield f"cut after {part} bytes", content[:part]
    random = np.random.default_rng(1)
    for place in sorted({*random.integers(0, max(len(content), 1), flips).tolist(), 0, len(content) - 1}):
        for bit in (1, 0x80):
            changed = bytearray(content)
            changed[place] ^= bit
            yield f"bit {bit} of byte {place} flipped", bytes(changed)
    for other in ("[]", "{}", "1", '"text"', "null", "true", "x = 1", '"\\ud800"', '{"\\ud800": 1}', "[[1]]"):
        yield f"{other} alone", other.encode()
    for start, inner, end in (("", "[", "]"), ("", '{"a":', "}"), ("a = ", "[", "]"), ("a = ", "{a=", "}")):
        yield f"{start}{inner} very often", (start + inner * DEEP).encode()
        yield f"{start}{inner} very often, and closed", (start + inner * DEEP + "1" + end * DEEP).encode()
    yield "a key of many parts", ("a." * 5_000 + "a = 1").encode()
    yield "a table of many parts", ("[" + "a." * 5_000 + "a]").encode()
    yield "a sum of many parts", b"x = " + b"1+" * DEEP + b"1"
    try:
        text = content.decode()
    except UnicodeDecodeError:
        return
    for found in list(re.finditer(r"(?<![\w.\"-])-?\d+(\.\d+)?(?![\w.])", text))[:_PLACES]:
        for edge in EDGES:
            yield f"{edge[:20]} at {found.start()}", f"{text[: found.start()]}{edge}{text[found.end() :]}".encode()
    for found in list(re.finditer(r'"[^"\n]*"(?!:)', text))[:_PLACES]:
        for edge in ("1", "[]", "{}", '"' + "9" * 4_301 + '"', '"\x00"', '"' + "n" * 300 + '"'):
            yield f"{edge[:20]} at {found.start()}", f"{text[: found.start()]}{edge}{text[found.end() :]}".encode()


def write(path: Path, content: bytes | str) -> Path:
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def packed(**arrays: Any) -> bytes:
    out = io.BytesIO()
    np.savez(out, **arrays)
    return out.getvalue()


def zipped(name: str, content: str) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(name, content)
    return out.getvalue()


RUN = {
    "dataset": "digits", "model": "linear", "devices": 6, "encounters": 12, "images_per_device": 40,
    "validation_images": 20, "baseline_devices": 0, "test_images": 100, "adversaries": {"label_flip": 1},
}  # fmt: skip
TRACE = "time_start,client1,client2,time_end\n0,1,2,60\n30,2,3,90\n120,1,3,130.5\n"
PLUGIN = "import idml\n\nclass Mine(idml.Defence):\n    def takes(self, update, recent):\n        return True\n"


def a_run(folder: Path) -> Path:
    from idml.simulation.config import make_config
    from idml.simulation.runs import simulate

    simulate(make_config(RUN), folder / "run")
    return folder / "run"


def part_of_run(name: str) -> Callable[[Path], Path]:
    """A run of its own for each of its files, copied from the one that was made for all."""

    def make(folder: Path) -> Path:
        import shutil

        shared = folder.parent / "made"
        if not shared.exists():
            shared.mkdir()
            a_run(shared)
        shutil.copytree(shared / "run", folder / "run")
        return folder / "run" / name

    return make


def read_run(path: Path) -> None:
    """All that commands look at of a run, without the drawing."""
    import idml
    from idml.reporting import tables
    from idml.reporting.incentive import incentive_command, incentive_view
    from idml.reporting.summary import headlines, numbers
    from idml.reporting.terminal import summary_table
    from idml.store import RunStore
    from idml.studies.fingerprint import fingerprint_of_run
    from idml.studies.sweep.compare import compare
    from idml.studies.sweep.quantities import numbers_of

    directory = path.parent if path.parent.name == "run" else path.parents[1]
    problems = []

    def each(read: Callable[[], object]) -> None:
        try:
            read()
        except IdmlError as error:
            problems.append(error)

    each(lambda: idml.load_run(directory).config)
    each(lambda: idml.load_run(directory).tensors(0))
    each(lambda: idml.load_run(directory).finished)
    each(lambda: fingerprint_of_run(directory))
    each(lambda: compare([directory, directory]).differing)
    with RunStore.open(directory) as run:
        each(lambda: headlines(numbers(run), 1))
        each(lambda: summary_table(numbers(run)))
        each(lambda: numbers_of(run.require_summary()))
        each(run.votes)
        each(run.work)
        each(run.recorded_checkpoint)
        each(lambda: (incentive_command(run), incentive_view(run)))
        for table in (tables.devices_table, tables.cases_table, tables.skips_table, tables.encounters_table,
                      tables.gas_table):  # fmt: skip
            each(lambda table=table: table(run))  # type: ignore[misc]
    if problems:
        raise problems[0]


def read_plugin(path: Path) -> None:
    from idml.simulation.config import make_config
    from idml.simulation.setup import check_plugins, plugin_digests

    config = make_config({"dataset": "digits", "defence": f"{path}:Mine"})
    plugin_digests(config)
    check_plugins(config)


def read_config(path: Path) -> None:
    from idml.simulation.config import load_config

    load_config(path)


def read_sweep(path: Path) -> None:
    from idml.studies.sweep import cells

    cells._check_folder(path.parent, {"vary": ["seed"], "settings": {"devices": 6}})


def a_key(folder: Path) -> Path:
    from idml.ledger.chain.keystore import Keystore
    from idml.ledger.wallet import Wallet

    return Keystore(folder).add(Wallet.from_seed(1, 1), "secret", work_factor=2).path


def a_journal(folder: Path) -> Path:
    from idml.ledger.chain.journal import OrderEntry, OrderJournal

    with OrderJournal(folder).open(1, bytes(20)) as book:
        book.write(OrderEntry.begin(bytes(32), 7, b"raw", "fund"))
    return next(folder.glob("*.json"))


def read_journal(path: Path) -> object:
    from idml.ledger.chain.journal import OrderJournal

    with OrderJournal(path.parent).open(1, bytes(20)) as book:
        return [entry.hashes for entry in book.entries.values()]


def read_key(path: Path) -> None:
    from idml.ledger.chain.keystore import Keystore

    Keystore(path.parent).files()
    Keystore(path.parent).find(str(path))


def read_deployment(path: Path) -> None:
    from idml.ledger.deployment import Deployment

    Deployment.load(path)


def read_password(path: Path) -> None:
    from idml.cli.chain_keys import Keys

    Keys(Namespace(keystore=path.parent, password_file=path)).new_password()


def read_private_key(path: Path) -> None:
    from idml.cli.chain_keys import import_key

    import_key(Namespace(file=path, keystore=path.parent / "keys", password_file=path.parent / "nothing", json=False))


def read_dump(path: Path) -> None:
    from idml.ledger.embedded.state import ChainState

    ChainState.load(path.read_bytes())


def a_dump(folder: Path) -> Path:
    from idml.ledger.embedded.state import Account, ChainState

    return write(folder / "dump", ChainState(1, 2, 3, {bytes(20): Account(1, 2, b"\x01", {1: 2})}).dump())


def read_npz(path: Path) -> None:
    from idml.learning.data.npz import read_npz

    read_npz(path)


def pictures(folder: Path) -> Path:
    from PIL import Image

    for name in ("a", "b"):
        for number in range(2):
            place = folder / "pictures" / name / f"{number}.png"
            place.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(np.full((4, 4), 9 * number, np.uint8)).save(place)
    return folder / "pictures" / "a" / "0.png"


def read_pictures(path: Path) -> None:
    from idml.learning.data.folders import read_folder

    read_folder(path.parents[1])


def hapt_text(folder: Path) -> Path:
    (folder / "RawData").mkdir()
    for sensor in ("acc", "gyro"):
        write(folder / "RawData" / f"{sensor}_exp01_user01.txt", "0.1 0.2 0.3\n0.4 0.5 0.6\n")
    return write(folder / "RawData" / "labels.txt", "1 1 5 250 1232\n1 1 7 1233 1392\n")


def read_hapt(path: Path) -> None:
    from idml.learning.data.hapt import Hapt

    Hapt().read(path.parents[1] if path.suffix == ".txt" else path.parent, None)


def a_hapt_pack(folder: Path) -> Path:
    numbers = np.arange(12).reshape(3, 4)
    return write(
        folder / "hapt_raw_i16.npz",
        packed(signals=np.zeros((9, 6), np.int16), experiments=numbers, labels=numbers.astype(np.int16)),
    )


def fashion(folder: Path) -> Path:
    names = ("train-images-idx3", "train-labels-idx1", "t10k-images-idx3", "t10k-labels-idx1")
    for name in names:
        write(folder / f"{name}-ubyte.gz", gzip.compress(b"\0\0\x08\x01\0\0\0\x02\x01\x02"))
    return folder / "train-images-idx3-ubyte.gz"


def read_fashion(path: Path) -> None:
    from idml.learning.data.fashion_mnist import FashionMnist

    FashionMnist().read(path.parent, None)


def read_cifar(path: Path) -> None:
    from idml.learning.data.cifar10 import Cifar10

    place = path if path.name.endswith(".tar.gz") else path.parent
    Cifar10().read(place, path.parent / "cache")


def cifar_cache(folder: Path) -> Path:
    """The archive is damaged, but the name of the cache follows from its bytes."""
    import hashlib

    archive = write(folder / "cifar-10-python.tar.gz", b"archive")
    (folder / "cache").mkdir()
    out = io.BytesIO()
    np.save(out, np.zeros(100, np.uint8))
    digest = hashlib.sha256(archive.read_bytes()).hexdigest()[:32]
    return write(folder / "cache" / f"cifar10-{digest}.npy", out.getvalue())


def read_cifar_cache(path: Path) -> None:
    read_cifar(path.parents[1] / "cifar-10-python.tar.gz")


def read_trace(path: Path) -> None:
    from idml.simulation.traces import describe, read_trace

    describe(read_trace(path))


RATES = (
    "dataset,partition,algorithm,rule,tolerance,default,kind,from_encounter,votes,vote_errors,verdicts,verdict_errors\n"
    "digits,iid,oppcl,balanced,0.1,yes,honest,1,30,1,10,0\ndigits,iid,oppcl,balanced,0.1,yes,label_flip,1,30,1,10,0\n"
)


def read_rates(path: Path) -> None:
    from idml.simulation.config import make_config
    from idml.studies.measured import measured

    measured(path, make_config({"dataset": "digits", "rule": "balanced", "tolerance": 0.1}))


def a_replay(folder: Path) -> Path:
    write(folder / "replay.toml", 'attacks = ["noise"]\nevery = 3\nrules_version = "3"\nseed = 1\n')
    return write(folder / "replay.csv", "contact,encounter,kind,validator,loss\n1,2,honest,3,0.5\n")


def read_replay(path: Path) -> None:
    from idml.studies.replays import fingerprint_of_replay, read_judged

    fingerprint_of_replay(path.with_suffix(".csv"))
    read_judged(path.with_suffix(".csv"))


CONFIG = 'seed = 3\ndevices = 6\nalgorithm = "gossip"\ntolerance = 0.1\ndata_dir = "."\n[adversaries]\nlabel_flip = 1\n'
DEPLOYMENT = {"chain_id": 5, "contract": "0x" + "11" * 20, "token": "0x" + "22" * 20, "block": 9, "gas": {"IDML": 3}}
NPZ = {"train_x": np.zeros((4, 3)), "train_y": np.arange(4) % 2, "test_x": np.ones((2, 3)), "test_y": np.arange(2)}

READERS = {
    "a configuration": Reader(lambda folder: write(folder / "c.toml", CONFIG), read_config),
    "the record of a sweep": Reader(
        lambda folder: write(folder / "sweep.toml", 'vary = ["seed"]\n[settings]\ndevices = 6\n'), read_sweep
    ),
    "config.toml of a run": Reader(part_of_run("config.toml"), read_run),
    "summary.json of a run": Reader(part_of_run("summary.json"), read_run),
    "run.sqlite of a run": Reader(part_of_run("run.sqlite"), read_run),
    "a model of a run": Reader(part_of_run("models/device-0000.safetensors"), read_run),
    "a keystore": Reader(a_key, read_key),
    "a journal of orders": Reader(a_journal, read_journal),
    "a deployment": Reader(lambda folder: write(folder / "deployment.json", json.dumps(DEPLOYMENT)), read_deployment),
    "a password": Reader(lambda folder: write(folder / "password", "secret\n"), read_password),
    "a private key": Reader(lambda folder: write(folder / "key", "0x" + "12" * 32), read_private_key),
    "the state of an EVM": Reader(a_dump, read_dump),
    "a data set of arrays": Reader(lambda folder: write(folder / "d.npz", packed(**NPZ)), read_npz),
    "a folder of pictures": Reader(pictures, read_pictures),
    "HAPT, packed": Reader(a_hapt_pack, read_hapt),
    "HAPT, as text": Reader(hapt_text, read_hapt),
    "Fashion-MNIST": Reader(fashion, read_fashion),
    "CIFAR-10": Reader(lambda folder: write(folder / "data_batch_1", b"\x80\x02}q\x01."), read_cifar),
    "CIFAR-10, compressed": Reader(lambda folder: write(folder / "data_batch_1.xz", b"\xfd7zXZ\0\0\x04"), read_cifar),
    "CIFAR-10, archive": Reader(
        lambda folder: write(folder / "cifar-10-python.tar.gz", gzip.compress(b"a" * 999)), read_cifar
    ),
    "CIFAR-10, cached": Reader(cifar_cache, read_cifar_cache),
    "a trace": Reader(lambda folder: write(folder / "t.csv", TRACE), read_trace),
    "a gzipped trace": Reader(lambda folder: write(folder / "t.csv.gz", gzip.compress(TRACE.encode())), read_trace),
    "a zipped trace": Reader(lambda folder: write(folder / "t.zip", zipped("t.csv", TRACE)), read_trace),
    "a trace of numbers": Reader(lambda folder: write(folder / "t.txt", "20 1 2\n40 2 3\n"), read_trace),
    "a plug-in": Reader(lambda folder: write(folder / "p.py", PLUGIN), read_plugin),
    "error rates": Reader(lambda folder: write(folder / "rules.csv", RATES), read_rates),
    "a replay": Reader(a_replay, read_replay),
    "what made a replay": Reader(lambda folder: a_replay(folder).with_suffix(".toml"), read_replay),
}
"""By what they read. A function that opens a file from outside stands here, or `test_outside.py` fails."""


def main(folder: Path, names: list[str]) -> None:
    """Read spoiled files; print each that ends otherwise than in one line, and in the end that all were tried."""
    sys.setrecursionlimit(1024 * 100)  # as py-evm does when it is imported
    warnings.simplefilter("ignore")
    tried = 0
    for name in names:
        reader = READERS[name]
        place = folder / re.sub(r"\W+", "-", name)
        place.mkdir()
        path = reader.make(place)
        content = path.read_bytes()
        for what, spoilt in spoiled(content, flips=20 if len(content) > 20_000 else 60):
            print(f"{name}: {what}", file=sys.stderr, flush=True)  # the last one, should the process end here
            path.write_bytes(spoilt)
            tried += 1
            try:
                reader.read(path)
            except IdmlError as error:
                if not str(error) or any(char in str(error) for char in "\0\r"):
                    print(f"{name}: {what}: {error!r}")
            except BaseException as error:
                import traceback

                at = traceback.extract_tb(error.__traceback__)[-1]
                print(f"{name}: {what}: {type(error).__name__} at {at.filename}:{at.lineno}: {str(error)[:100]}")
    print(f"tried {tried}")


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
