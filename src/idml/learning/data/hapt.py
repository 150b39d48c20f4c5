"""HAPT (Reyes-Ortiz et al. 2016): 30 people's phones, worn on the waist, while they walk, sit, stand and lie.

"Smartphone-Based Recognition of Human Activities and Postural Transitions", version 2.1: the raw signals behind UCI
HAR, three axes of acceleration and three of rotation, 50 times a second. Each person went through all activities twice
(one of them in three recordings), the second time with the phone where they liked it. What a person's last recording
has is their test set, so no window of a test overlaps one of training, and a model must stand another way to wear it.

An image is a window of 2.56 s, the second half of which is the next one's first, as in the original: six channels, one
row of 128 samples. Only the six activities of UCI HAR are taken: there are one to five windows of a transition between
postures in all that a person did.
"""

import hashlib
import os
from pathlib import Path
from types import MappingProxyType
from typing import Final, NoReturn

import numpy as np
import numpy.typing as npt

from idml.learning.arrays import Samples
from idml.learning.data.files import FileSource
from idml.learning.errors import DataError

_PACKED: Final = "hapt_raw_i16.npz"
_EXPERIMENTS: Final = 61
_WINDOW: Final = 128
_STEP: Final = 64
# The text's values are quantised on these grids, so whole numbers hold them exactly: g, and radians a second.
_GRID: Final = (1 / 720, 0.00030543261909900765)
# About the spread of both over people, so that a device needs no statistics of data that it does not have.
_UNIT: Final = 0.5
_SHA256: Final = "ca810caaa023bc705dde2206931974f3a706b4b3797660cf1547bcc74d12fe11"

Whole = npt.NDArray[np.int64]


class Hapt(FileSource):
    """Signals of phones while thirty people walk, sit, stand and lie; it is known whose each is."""

    name = "hapt"
    kind = "signals"
    image_shape = (6, 1, 128)
    class_names = ("walking", "walking upstairs", "walking downstairs", "sitting", "standing", "lying")
    licence = "CC BY 4.0; Reyes-Ortiz et al. 2016, UCI Machine Learning Repository, data set 341"
    look_alikes = MappingProxyType({3: 4, 0: 1})  # sitting to standing, walking to walking upstairs

    def find(self, root: Path) -> Path | None:
        """The folder under `root` that holds the packed file or the official text files."""
        folders = [root / "hapt", root / "HAPT Data Set", root / "hapt" / "HAPT Data Set", root]
        return next((folder for folder in folders if not self.missing(folder)), None)

    def missing(self, place: Path) -> list[Path]:
        """The file without which the folder is of no use."""
        files = [place / _PACKED, place / "RawData" / "labels.txt"]
        return [] if any(os.path.isfile(path) for path in files) else files[1:]

    def fetch(self, folder: Path) -> NoReturn:
        """Say how to get it: its licence is the reader's to accept.

        Raises:
            DataError: always.
        """
        raise DataError(
            "hapt is not here: get 'Smartphone-Based Recognition of Human Activities and Postural Transitions' from "
            "the UCI Machine Learning Repository (data set 341), and unpack it in "
            f"{folder}, or in hapt under $IDML_DATA or data_dir"
        )

    def read(self, place: Path, cache: Path | None) -> Samples:
        """Return the windows of all recordings but each person's last, and of that one; persons are counted from 0.

        Args:
            place: folder that holds `hapt_raw_i16.npz`, or the official `RawData`.
            cache: not needed here, reading takes a second or two.

        Raises:
            DataError: a file cannot be read, or all together they are not version 2.1.
        """
        del cache
        packed = place / _PACKED
        signals, experiments, labels = _read_packed(packed) if os.path.isfile(packed) else _read_text(place / "RawData")
        digest = hashlib.sha256(b"".join(part.tobytes() for part in (signals, experiments, labels))).hexdigest()
        if digest != _SHA256:
            raise DataError(f"{place} does not hold the signals of HAPT 2.1 (SHA-256 {digest}): get it again")
        first = {experiment: row for experiment, _, row, _ in experiments.tolist()}
        last = {person: experiment for experiment, person, _, _ in experiments.tolist()}
        starts, classes, persons, tested = list[int](), list[int](), list[int](), list[bool]()
        for experiment, person, activity, begin, end in labels.tolist():
            if activity > self.classes:
                continue
            row = first[experiment]
            windows = range(row + begin - 1, row + end - _WINDOW + 1, _STEP)
            starts += windows
            classes += [activity - 1] * len(windows)
            persons += [person - 1] * len(windows)
            tested += [experiment == last[person]] * len(windows)
        scaled = (signals * (np.repeat(_GRID, 3) / _UNIT)).astype(np.float32)
        windows_of = np.lib.stride_tricks.sliding_window_view(scaled, _WINDOW, axis=0)[starts]
        images = np.ascontiguousarray(windows_of[:, :, None])
        held, owners, test = np.array(classes), np.array(persons), np.array(tested)
        return Samples(images[~test], held[~test], images[test], held[test], owners[~test], owners[test])


def _read_packed(path: Path) -> tuple[npt.NDArray[np.int16], Whole, Whole]:
    try:
        with np.load(path, allow_pickle=False) as packed:
            signals: npt.NDArray[np.int16] = packed["signals"]
            return signals, packed["experiments"].astype(np.int64), packed["labels"].astype(np.int64)
    except Exception as error:  # a damaged file can make the reader fail in any way
        raise DataError(f"{path} is damaged ({_words(error)}): get it again") from None


def _read_text(folder: Path) -> tuple[npt.NDArray[np.int16], Whole, Whole]:
    """The same from the official files, `acc_exp01_user01.txt` and so on."""
    try:
        labels = np.loadtxt(folder / "labels.txt", np.int64, ndmin=2)
        signals, experiments, row = list[npt.NDArray[np.int16]](), list[tuple[int, int, int, int]](), 0
        for path in sorted(folder.glob("acc_exp*_user*.txt")):
            sensors = (path, path.with_name(path.name.replace("acc", "gyro")))
            whole = [np.rint(np.loadtxt(file) / grid) for file, grid in zip(sensors, _GRID, strict=True)]
            signals.append(np.hstack(whole).astype(np.int16))
            experiment, person = (int(part[-2:]) for part in path.stem.split("_")[1:])
            experiments.append((experiment, person, row, len(signals[-1])))
            row += len(signals[-1])
    except (OSError, ValueError, OverflowError) as error:
        raise DataError(f"{folder} is damaged ({_words(error)}): get it again") from None
    if len(experiments) != _EXPERIMENTS:
        raise DataError(f"{folder} has {len(experiments)} recordings of {_EXPERIMENTS}: get it again")
    return np.concatenate(signals), np.array(experiments), labels


def _words(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__
