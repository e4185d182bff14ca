"""Products of rows of numbers, summed over sites.

Rows are a few hundred sites long and stay in the first cache levels. Two rows at a time meet two
or three others, so that a number is loaded less often than it is multiplied.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from nnrg_kernels._jit import inlined_kernel

__all__ = ["fill_powers", "multiply_rows", "weigh_rows"]

Floats = npt.NDArray[np.float64]


@inlined_kernel
def fill_powers(rows: Floats, n: int, channels: int, products: Floats) -> None:
    """Fill in the powers of y and add the sums of all rows to the last column of `products`.

    Parameters
    ----------
    rows : (K + C, width) array
        y^K, T_0, ..., T_{C-1}, y, y^2, ..., y^(K-1), of which T and y are given.
    n : int
        Sites that are filled.
    channels : int
        Number C of derivatives.
    products : (K + C, any) array
        What `multiply_rows` adds to, and one column more.
    """
    total = rows.shape[0]
    head = 1 + channels
    y = rows[head if total > head else 0, :n]
    for r in range(1, total + 1):
        row = rows[r if r < total else 0, :n]
        plain = 0.0
        if r > head:
            before = rows[r - 1, :n]
            for i in range(n):
                x = before[i] * y[i]
                row[i] = x
                plain += x
        else:
            for i in range(n):
                plain += row[i]
        products[r if r < total else 0, -1] += plain


@inlined_kernel
def weigh_rows(rows: Floats, weight: Floats, n: int, weighted: Floats) -> None:
    """Multiply the first rows, all but the last two of `weighted`, with the weight of each site."""
    for r in range(weighted.shape[0] - 2):
        row, product = rows[r, :n], weighted[r, :n]
        for i in range(n):
            product[i] = weight[i] * row[i]


@inlined_kernel
def multiply_rows(
    rows: Floats, n: int, channels: int, others: Floats, columns: int, products: Floats
) -> None:
    """Add the products of all rows with the first `columns` rows of `others`.

    The first 1 + C rows of `others` are those of `rows`, as they are or times a weight. The square
    at the top of `products` is complete on and above its diagonal.
    """
    total = rows.shape[0]
    head = 1 + channels
    # The head is multiplied with itself from the diagonal on, so its pairs are kept to themselves.
    head_pairs = (head + 1) // 2
    for pair in range(head_pairs + (total - head + 1) // 2):
        if pair < head_pairs:
            first, second = 2 * pair, min(2 * pair + 1, head - 1)
            j = max(0, min(first, columns - 2))
        else:
            first = head + 2 * (pair - head_pairs)
            second = min(first + 1, total - 1)
            j = 0
        a, b = rows[first, :n], rows[second, :n]
        while j < columns:
            u, v = others[j, :n], others[min(j + 1, columns - 1), :n]
            au = av = aw = bu = bv = bw = 0.0
            if columns - j < 3 or columns - j == 4:
                for i in range(n):
                    au += a[i] * u[i]
                    av += a[i] * v[i]
                    bu += b[i] * u[i]
                    bv += b[i] * v[i]
                width = 2
            else:
                w = others[j + 2, :n]
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
            if second > first:
                products[second, j] += bu
            if columns > 1:
                products[first, j + 1] += av
                if second > first:
                    products[second, j + 1] += bv
            j += width
