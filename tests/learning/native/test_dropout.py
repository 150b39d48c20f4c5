"""Dropout's counters are as good as random numbers where they are used: over positions, layers, images and seeds."""

import ctypes

import numpy as np
import numpy.typing as npt
import pytest

from idml.learning.native.library import load_library

POSITIONS = 14 * 14 * 16


def kept(p: float, seed: int, layer: int, images: range, count: int = POSITIONS) -> npt.NDArray[np.float64]:
    """Which values are kept (1.0), one row an image."""
    drawn = np.empty((len(images), count), np.uint8)
    for row, image in zip(drawn, images, strict=True):
        load_library().idml_dropout(p, seed, layer, image, count, ctypes.c_void_p(row.ctypes.data))
    assert set(np.unique(drawn)) <= {0, 1}
    return drawn.astype(float)


def deviations(rows: npt.NDArray[np.float64], others: npt.NDArray[np.float64], p: float) -> npt.NDArray[np.float64]:
    """Covariance of each pair of rows, in standard errors of independent ones."""
    products = ((rows - (1 - p)) * (others - (1 - p))).mean(axis=-1)
    errors: npt.NDArray[np.float64] = products / (p * (1 - p) / np.sqrt(rows.shape[-1]))
    return errors


@pytest.mark.parametrize("p", [0.01, 0.25, 0.5, 0.9])
def test_as_many_are_kept_as_should_be(p: float) -> None:
    masks = kept(p, 1, 3, range(400))
    spread = np.sqrt(p * (1 - p))
    assert abs(masks.mean() - (1 - p)) < 5 * spread / np.sqrt(masks.size)
    # Each position over images, each image over positions: means scatter as those of independent draws.
    for axis, count in ((0, 400), (1, POSITIONS)):
        scatter = (masks.mean(axis=axis) - (1 - p)) / (spread / np.sqrt(count))
        assert abs(scatter.std() - 1) < 5 / np.sqrt(2 * scatter.size)
        assert abs(scatter).max() < 5.5


@pytest.mark.parametrize("p", [0.25, 0.5])
def test_positions_are_independent(p: float) -> None:
    masks = kept(p, 5, 1, range(300))
    for lag in (1, 2, 3, 4, 7, 8, 15, 16, 17, 32, 64, 14 * 16, 15 * 16, 1024):
        apart = deviations(masks[:, lag:].ravel(), masks[:, :-lag].ravel(), p)
        assert abs(apart) < 5, lag


@pytest.mark.parametrize("p", [0.25, 0.5])
def test_images_layers_and_seeds_are_independent(p: float) -> None:
    images = range(200)
    base = kept(p, 9, 1, images)
    for other in (
        kept(p, 9, 1, range(1, 201)),
        kept(p, 9, 1, range(32, 232)),
        kept(p, 9, 0, images),
        kept(p, 9, 2, images),
        kept(p, 9, 5, images),
        kept(p, 8, 1, images),
        kept(p, 10, 1, images),
        kept(p, 9 + 2**32, 1, images),
        kept(p, 2**64 - 9, 1, images),
    ):
        apart = deviations(base, other, p)
        assert abs(apart).max() < 5.5
        assert abs(apart.mean()) < 5 / np.sqrt(apart.size)
        assert abs(apart.std() - 1) < 5 / np.sqrt(2 * apart.size)


def test_no_position_repeats_another_over_images() -> None:
    """All pairs of 256 positions in 1,000 images, as no list of lags would find what depends on both."""
    masks = kept(0.5, 3, 0, range(1000), 256) - 0.5
    products = masks.T @ masks / (0.25 * np.sqrt(1000))
    pairs = products[np.triu_indices(256, 1)]
    assert abs(pairs).max() < 6
    assert abs(pairs.std() - 1) < 5 / np.sqrt(2 * pairs.size)


def test_runs_of_equal_values_are_as_long_as_by_chance() -> None:
    bits = kept(0.5, 4, 2, range(300)).ravel()
    changes = np.flatnonzero(np.diff(bits)) + 1
    lengths = np.diff(np.concatenate([[0], changes, [bits.size]]))
    for length in range(1, 9):
        expected = len(lengths) / 2**length
        assert abs((lengths == length).sum() - expected) < 5 * np.sqrt(expected)


def test_nothing_is_dropped_without_dropout() -> None:
    assert kept(0.0, 1, 1, range(2)).all()
