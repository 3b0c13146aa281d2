"""PHOTON256, the permutation under PHOTON-Beetle, built from its parts: constants, S-box, shift of rows, serial matrix.

Source: Bao, Chakraborti, Datta, Guo, Nandi, Peyrin, Yasuda, "PHOTON-Beetle Authenticated Encryption and Hash Family",
submission to the NIST lightweight cryptography project, final round (2021), section 3.2. The state is a square of 8 x 8
cells of 4 bits; cell (i, j) is nibble j of the 4 bytes of row i, the low nibble first.

S-box and matrix meet in one table: `COLUMN[i][x]` is what a cell of value x in row i adds to the eight cells of the
column it is moved to, row r in bits 4r to 4r+3.
"""

from __future__ import annotations

STATE_BYTES = 32
ROUNDS = 12
SIDE = 8

_ROUND = (1, 3, 7, 14, 13, 11, 6, 12, 9, 2, 5, 10)
_ROW = (0, 1, 3, 7, 15, 14, 12, 8)
_SBOX = (12, 5, 6, 11, 9, 0, 10, 13, 3, 14, 15, 8, 4, 7, 1, 2)  # that of PRESENT
_SERIAL = (2, 4, 2, 11, 2, 8, 5, 6)

Matrix = list[list[int]]


def _times(a: int, b: int) -> int:
    """Return a * b in GF(2^4) modulo x^4 + x + 1."""
    product = 0
    for bit in range(4):
        if b >> bit & 1:
            product ^= a << bit
    for bit in (6, 5, 4):
        if product >> bit & 1:
            product ^= 0b10011 << (bit - 4)
    return product


def _matrix_product(left: Matrix, right: Matrix) -> Matrix:
    def cell(row: int, column: int) -> int:
        total = 0
        for k in range(SIDE):
            total ^= _times(left[row][k], right[k][column])
        return total

    return [[cell(row, column) for column in range(SIDE)] for row in range(SIDE)]


def _mix_matrix() -> Matrix:
    """Return the serial matrix to the power of eight: seven rows that shift, one that mixes."""
    serial = [[int(column == row + 1) for column in range(SIDE)] for row in range(SIDE - 1)] + [list(_SERIAL)]
    power = serial
    for _ in range(SIDE - 1):
        power = _matrix_product(power, serial)
    return power


def _column_table() -> list[list[int]]:
    matrix = _mix_matrix()
    return [
        [sum(_times(matrix[row][i], _SBOX[x]) << 4 * row for row in range(SIDE)) for x in range(16)]
        for i in range(SIDE)
    ]


COLUMN = _column_table()
# What AddConstant does to the first column in each round, row r in bits 4r to 4r+3.
CONSTANT = [sum((_ROUND[k] ^ _ROW[row]) << 4 * row for row in range(SIDE)) for k in range(ROUNDS)]


def permute(state: bytes) -> bytes:
    """Return the 32 bytes after the 12 rounds."""
    columns = _transposed([int.from_bytes(state[4 * i : 4 * i + 4], "little") for i in range(SIDE)])
    for constant in CONSTANT:
        columns[0] ^= constant
        before, columns = columns, [0] * SIDE
        for row, table in enumerate(COLUMN):
            shift = 4 * row
            for column in range(SIDE):
                columns[column] ^= table[before[(column + row) % SIDE] >> shift & 15]
    return b"".join(row.to_bytes(4, "little") for row in _transposed(columns))


def _transposed(words: list[int]) -> list[int]:
    """Return columns of rows, or rows of columns: eight words of eight nibbles."""
    return [sum((words[i] >> 4 * j & 15) << 4 * i for i in range(SIDE)) for j in range(SIDE)]
