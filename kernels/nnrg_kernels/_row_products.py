"""Products of rows of numbers, summed over sites.

Rows are a few hundred sites long and stay in the first cache levels. Two rows at a time meet two
or three others, so that a number is loaded less often than it is multiplied.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from nnrg_kernels._jit import borrowing_kernel

__all__ = ["add_row_products"]

Floats = npt.NDArray[np.float64]


@borrowing_kernel
def add_row_products(rows: Floats, n: int, channels: int, products: Floats) -> None:
    """Fill in the powers of y, then add all products of rows, summed over the first `n` sites.

    Parameters
    ----------
    rows : (K + C, width) array
        y^K, T_0, ..., T_{C-1}, y, y^2, ..., y^(K-1), of which T and y are given.
    n : int
        Sites that are filled.
    channels : int
        Number C of derivatives.
    products : (K + C, 2 + C) array
        To the first 1 + C columns, products with each of the first 1 + C rows are added; to the
        last column, sums of the rows. The square at the top is complete on and above its diagonal.
    """
    total = rows.shape[0]
    head = 1 + channels
    y = rows[head if total > head else 0, :n]
    for r in range(1, head + 1):
        row = rows[r if total > head or r < head else 0, :n]
        plain = 0.0
        for i in range(n):
            plain += row[i]
        products[r if total > head or r < head else 0, head] += plain
    for r in range(head + 1, total + 1):
        power, before = rows[r if r < total else 0, :n], rows[r - 1, :n]
        plain = 0.0
        for i in range(n):
            x = before[i] * y[i]
            power[i] = x
            plain += x
        products[r if r < total else 0, head] += plain

    # The head is multiplied with itself from the diagonal on, so its pairs are kept to themselves.
    head_pairs = (head + 1) // 2
    for pair in range(head_pairs + (total - head + 1) // 2):
        if pair < head_pairs:
            first, second = 2 * pair, min(2 * pair + 1, head - 1)
            j = min(first, head - 2)
        else:
            first = head + 2 * (pair - head_pairs)
            second = min(first + 1, total - 1)
            j = 0
        a, b = rows[first, :n], rows[second, :n]
        while j < head:
            u, v = rows[j, :n], rows[j + 1, :n]
            au = av = aw = bu = bv = bw = 0.0
            if head - j == 2 or head - j == 4:
                for i in range(n):
                    au += a[i] * u[i]
                    av += a[i] * v[i]
                    bu += b[i] * u[i]
                    bv += b[i] * v[i]
                width = 2
            else:
                w = rows[j + 2, :n]
                for i in range(n):
                    au += a[i] * u[i]
                    av += a[i] * v[i]
                    aw += a[i] * w[i]
                    bu += b[i] * u[i]
                    bv += b[i] * v[i]
                    bw += b[i] * w[i]
                products[first, j + 2] += aw
                if second > first:
                    products[second, j + 2] += bw
                width = 3
            products[first, j] += au
            products[first, j + 1] += av
            if second > first:
                products[second, j] += bu
                products[second, j + 1] += bv
            j += width
