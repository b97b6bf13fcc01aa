"""Products of matrices in pieces so small that OpenBLAS starts no threads for them.

Its threads would get in the way of those that render and encode films.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from runners.fits.images import Image

#: Multiplications at a time: OpenBLAS starts threads from 2**18 on.
SMALL_PRODUCT = 2**17


def small_pieces(count: int, size: int) -> Iterator[slice]:
    """Return parts of `count` rows or columns whose products with so large a matrix are small."""
    many = max(1, SMALL_PRODUCT // size)
    return (slice(first, first + many) for first in range(0, count, many))


def product(rows: Image, columns: Image) -> Image:
    """Return the product of two matrices."""
    whole = np.empty((len(rows), columns.shape[1]), np.float32)
    for part in small_pieces(len(rows), columns.size):
        np.matmul(rows[part], columns, out=whole[part])
    return whole
