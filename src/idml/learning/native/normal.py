"""Normally distributed random numbers with the same bits on every machine.

In their tails, those of numpy use the logarithm of the C library, whose last bits differ between systems. The ones here
use only sums, products, quotients and square roots, which IEEE 754 defines to the last bit.
"""

import numpy as np
import numpy.typing as npt

Doubles = npt.NDArray[np.float64]

_LN_2 = 0.6931471805599453
_TERMS = range(23, 0, -2)


def portable_normal(generator: np.random.Generator, count: int) -> Doubles:
    """Draw standard normal numbers, float64 (count,), by the polar method (Marsaglia and Bray 1964)."""
    drawn: list[Doubles] = []
    missing = count
    while missing > 0:
        # Of the pairs in the square, only those inside the circle can be used: 79 %.
        points = 2 * generator.random((2 * missing // 3 + 8, 2)) - 1
        squares = points[:, 0] * points[:, 0] + points[:, 1] * points[:, 1]
        taken = (squares > 0) & (squares < 1)
        points, squares = points[taken], squares[taken]
        normal = (points * np.sqrt(-2 * _log(squares) / squares)[:, None]).ravel()
        drawn.append(normal[:missing])
        missing -= len(normal)
    return np.concatenate(drawn) if drawn else np.zeros(0)


def _log(x: Doubles) -> Doubles:
    """The natural logarithm of positive normal floats.

    It is the exponent times ln 2, plus 2 artanh((m - 1) / (m + 1)) of the mantissa m.
    """
    mantissa, exponent = np.frexp(x)
    low = mantissa < 0.7071067811865476
    mantissa, exponent = np.where(low, 2 * mantissa, mantissa), exponent - low
    s = (mantissa - 1) / (mantissa + 1)
    square, series = s * s, np.zeros_like(s)
    for k in _TERMS:
        series = series * square + 1 / k
    logarithm: Doubles = 2 * s * series + exponent * _LN_2
    return logarithm
