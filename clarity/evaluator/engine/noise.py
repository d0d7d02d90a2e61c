"""Noise at the threshold of hearing; equals `ear_model.threshold_noise.threshold_noise`.

The model draws one standard normal for every sample of every band: all bands of the reference
first, then all of the processed signal. Published scores depend on exactly these draws. Storing
them would take 512 bytes per sample, and drawing them in order would keep the bands waiting for one
another; instead a first pass only counts through the stream and notes its state at the start of
every band.

The stream is that of `numpy.random.RandomState`: MT19937 (Matsumoto & Nishimura 1998), 53-bit
uniforms, and normals by Marsaglia's polar method, which come in pairs: the second of a pair waits
for the next draw.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from clarity.evaluator.ear_model.threshold_noise import RandomStream
from clarity.evaluator.engine.elementary import log2_and_inverse
from clarity.evaluator.engine.jit import exact_kernel, kernel
from clarity.evaluator.engine.vector import N_ROWS, WIDTH, aligned_zeros, load_rows, sqrt, store

_N_KEY = 624
_SHIFT = 397
_UPPER = np.uint32(0x80000000)
_LOWER = np.uint32(0x7FFFFFFF)
_MATRIX = np.uint32(0x9908B0DF)
_TEMPER_B = np.uint32(0x9D2C5680)
_TEMPER_C = np.uint32(0xEFC60000)
_LOW_27_BITS = np.uint64(0x7FFFFFF)
_WORDS_PER_POINT = 4
_MAX_WORDS = _N_KEY + _WORDS_PER_POINT
_MAX_POINTS = _MAX_WORDS // _WORDS_PER_POINT
_ROWS_OF_POINTS = N_ROWS * -(-_MAX_POINTS // (N_ROWS * WIDTH))
_MINUS_TWO_LN_2 = -2.0 * math.log(2.0)
_UNSURE = np.float32(1e-6)
"""Squared radii in single precision are right to a third of this."""

# Entries of a row of `Streams.positions`.
_KEY_POSITION, _HAS_NORMAL, _NEXT_NORMAL, _N_NORMALS = range(4)


class StreamStates(NamedTuple):
    """States of the stream at some points, in order.

    Attributes
    ----------
    keys : ndarray of uint32, shape (n_points, 624)
        Keys of the generator.
    positions : ndarray of int64, shape (n_points, 2)
        Position in the key and whether a normal waits.
    waiting : ndarray, shape (n_points,)
        The waiting normal.
    """

    keys: NDArray[np.uint32]
    positions: NDArray[np.int64]
    waiting: NDArray[np.float64]


class Streams(NamedTuple):
    """Positions in the random stream, what has been computed ahead of them, and scratch.

    Attributes
    ----------
    keys : ndarray of uint32, shape (n_streams, 624)
        Keys of the generator.
    positions : ndarray of int64, shape (n_streams, 4)
        Position in the key; whether `waiting` holds a normal; next and end of `normals`.
    waiting : ndarray, shape (n_streams,)
        Second normal of a pair whose first was drawn.
    normals : ndarray, shape (n_streams, 317)
        Normals drawn ahead.
    words : ndarray of uint32, shape (628,)
        Scratch: outputs of the generator.
    points : ndarray, shape (2 * 157,)
        Scratch: coordinates of random points of the square (-1, 1) x (-1, 1), in turn.
    radius, factor : ndarray, shape (160 / WIDTH, WIDTH)
        Scratch: their squared distances r from the origin, and sqrt(-2 ln(r) / r).
    """

    keys: NDArray[np.uint32]
    positions: NDArray[np.int64]
    waiting: NDArray[np.float64]
    normals: NDArray[np.float64]
    words: NDArray[np.uint32]
    points: NDArray[np.float64]
    radius: NDArray[np.float64]
    factor: NDArray[np.float64]


def open_streams(states: StreamStates, points: Sequence[int]) -> Streams:
    """Streams that go on from some of the states."""
    chosen = list(points)
    positions = np.zeros((len(chosen), 4), np.int64)
    positions[:, :2] = states.positions[chosen]
    return Streams(
        keys=states.keys[chosen],
        positions=positions,
        waiting=states.waiting[chosen],
        normals=np.zeros((len(chosen), 2 * _MAX_POINTS + 3)),
        words=np.zeros(_MAX_WORDS, np.uint32),
        points=np.zeros(2 * _MAX_POINTS),
        radius=aligned_zeros(_ROWS_OF_POINTS, WIDTH),
        factor=aligned_zeros(_ROWS_OF_POINTS, WIDTH),
    )


def scan_stream_states(generator: RandomStream, n_draws: int, n_blocks: int) -> StreamStates:
    """States of a stream before and after blocks of draws, without drawing.

    Parameters
    ----------
    generator : RandomStream
        Stream to look ahead in; not advanced.
    n_draws : int
        Normals in a block.
    n_blocks : int
        Number of blocks.

    Returns
    -------
    StreamStates
        `n_blocks` + 1 states.
    """
    _, key, position, has_normal, waiting = generator.get_state()
    states = StreamStates(
        keys=np.zeros((n_blocks + 1, _N_KEY), np.uint32),
        positions=np.zeros((n_blocks + 1, 2), np.int64),
        waiting=np.zeros(n_blocks + 1),
    )
    states.keys[0], states.positions[0], states.waiting[0] = key, (position, has_normal), waiting
    _scan_blocks(open_streams(states, [0]), n_draws, states)
    return states


def restore_state(generator: RandomStream, states: StreamStates, point: int) -> None:
    """Put a generator into one of the states."""
    position, has_normal = states.positions[point]
    waiting = float(states.waiting[point])
    generator.set_state(("MT19937", states.keys[point], int(position), int(has_normal), waiting))


@kernel
def _twist(key: NDArray[np.uint32]) -> None:
    """Next 624 words of the generator's state."""
    for k in range(_N_KEY - _SHIFT):
        mixed = (key[k] & _UPPER) | (key[k + 1] & _LOWER)
        odd = np.uint32(-np.int32(mixed & np.uint32(1))) & _MATRIX
        key[k] = key[k + _SHIFT] ^ (mixed >> np.uint32(1)) ^ odd
    for k in range(_N_KEY - _SHIFT, _N_KEY - 1):
        mixed = (key[k] & _UPPER) | (key[k + 1] & _LOWER)
        odd = np.uint32(-np.int32(mixed & np.uint32(1))) & _MATRIX
        key[k] = key[k + _SHIFT - _N_KEY] ^ (mixed >> np.uint32(1)) ^ odd
    mixed = (key[_N_KEY - 1] & _UPPER) | (key[0] & _LOWER)
    odd = np.uint32(-np.int32(mixed & np.uint32(1))) & _MATRIX
    key[_N_KEY - 1] = key[_SHIFT - 1] ^ (mixed >> np.uint32(1)) ^ odd


@kernel
def _tempered(y: np.uint32) -> np.uint32:
    """Output of the generator for a word of its state."""
    y ^= y >> np.uint32(11)
    y ^= (y << np.uint32(7)) & _TEMPER_B
    y ^= (y << np.uint32(15)) & _TEMPER_C
    return np.uint32(y ^ (y >> np.uint32(18)))


@kernel
def _next_words(key: NDArray[np.uint32], position: int, words: NDArray[np.uint32]) -> int:
    """Write all outputs from a position to the end of the key, at least four; returns how many.

    When fewer are left, the key becomes the next one.
    """
    n_left = _N_KEY - position
    for k in range(n_left):
        words[k] = _tempered(key[position + k])
    if n_left >= _WORDS_PER_POINT:
        return n_left
    _twist(key)
    # A slice: an index that might be negative keeps loops from vectorising.
    behind = words[n_left:]
    for k in range(_N_KEY):
        behind[k] = _tempered(key[k])
    return n_left + _N_KEY


@exact_kernel
def _make_points(streams: Streams, n_points: int) -> None:
    """Random points of the square from groups of four words.

    A coordinate is 2 u - 1, with the 53-bit uniform u = (a 2^26 + b) / 2^53, a being the upper 27
    bits of one word and b the upper 26 of the next. Nothing here may be fused: a squared radius
    that is rounded otherwise than NumPy rounds it could fall on the other side of the unit circle.
    """
    points, radius = streams.points, streams.radius.reshape(-1)
    word_pairs = streams.words[: _WORDS_PER_POINT * n_points].view(np.uint64)
    for i in range(2 * n_points):
        a, b = (word_pairs[i] >> np.uint64(5)) & _LOW_27_BITS, word_pairs[i] >> np.uint64(38)
        points[i] = np.float64(np.int64((a << np.uint64(26)) | b) - 2**52) * 2.0**-52
    for i in range(n_points):
        radius[i] = points[2 * i] * points[2 * i] + points[2 * i + 1] * points[2 * i + 1]


@kernel
def _draw_ahead(streams: Streams, s: int) -> None:
    """Fill the normals of a stream from all words at hand."""
    position, normals = streams.positions[s], streams.normals[s]
    first = position[_HAS_NORMAL]
    normals[0] = streams.waiting[s]
    position[_HAS_NORMAL] = 0
    n_words = _next_words(streams.keys[s], position[_KEY_POSITION], streams.words)
    n_points = n_words // _WORDS_PER_POINT
    position[_KEY_POSITION] = _N_KEY - n_words % _WORDS_PER_POINT
    _make_points(streams, n_points)
    points, radius, factor = streams.points, streams.radius.reshape(-1), streams.factor.reshape(-1)
    for row in range(0, streams.radius.shape[0], N_ROWS):
        log2_radius, inverse = log2_and_inverse(load_rows(streams.radius, row))
        store(streams.factor, row, sqrt(_MINUS_TWO_LN_2 * log2_radius * inverse))
    end = np.uint64(first)  # unsigned, so that no index needs a test for being negative
    for i in range(n_points):
        # Points outside the circle are written too, and written over by the next.
        normals[end] = factor[i] * points[2 * i + 1]
        normals[end + np.uint64(1)] = factor[i] * points[2 * i]
        end += np.uint64(2) * np.uint64((radius[i] < 1.0) & (radius[i] > 0.0))
    position[_NEXT_NORMAL] = 0
    position[_N_NORMALS] = end


@kernel
def draw_normals(streams: Streams, s: int, out: NDArray[np.float64]) -> None:
    """Draw the next standard normals of stream `s`, as many as `out` holds, shape (n_draws,)."""
    position, normals = streams.positions[s], streams.normals[s]
    done = 0
    while done < out.size:
        if position[_NEXT_NORMAL] == position[_N_NORMALS]:
            _draw_ahead(streams, s)
        first = position[_NEXT_NORMAL]
        n_draws = min(out.size - done, position[_N_NORMALS] - first)
        target, ready = out[done : done + n_draws], normals[first : first + n_draws]
        for i in range(n_draws):
            target[i] = ready[i]
        position[_NEXT_NORMAL] = first + n_draws
        done += n_draws


@kernel
def _scan_blocks(streams: Streams, n_draws: int, states: StreamStates) -> None:
    """Note the state of stream 0 after each block of `n_draws` normals."""
    for block in range(1, states.waiting.size):
        _skip(streams, n_draws)
        states.keys[block] = streams.keys[0]
        states.positions[block] = streams.positions[0, :2]
        states.waiting[block] = streams.waiting[0]


@exact_kernel
def _coordinate(word: np.uint32) -> np.float32:
    """2 u - 1 to single precision."""
    return np.float32(np.int32(word ^ _UPPER)) * np.float32(2.0**-31)


@exact_kernel
def _count_accepted(key: NDArray[np.uint32]) -> int:
    """Count the points of a whole key that fall into the circle; -1 if one is too near its edge.

    Single precision is enough, and half of the words, but for one point in 600,000.
    """
    n_accepted, n_unsure = np.int32(0), np.int32(0)
    for i in range(_N_KEY // _WORDS_PER_POINT):
        x = _coordinate(_tempered(key[4 * i]))
        y = _coordinate(_tempered(key[4 * i + 2]))
        radius = x * x + y * y
        n_accepted += np.int32(radius < np.float32(1.0))
        n_unsure += np.int32(abs(radius - np.float32(1.0)) < _UNSURE) | np.int32(radius < _UNSURE)
    return int(n_accepted) if n_unsure == 0 else -1


@kernel
def _skip(streams: Streams, n_draws: int) -> None:
    """Advance stream 0 by some draws, computing only the normal that is left waiting."""
    key, position = streams.keys[0], streams.positions[0]
    wanted = n_draws
    if wanted > 0 and position[_HAS_NORMAL] == 1:
        position[_HAS_NORMAL] = 0
        streams.waiting[0] = 0.0
        wanted -= 1
    points_wanted = (wanted + 1) // 2
    while points_wanted > 0:
        n_accepted = -1
        if position[_KEY_POSITION] == _N_KEY:
            _twist(key)
            position[_KEY_POSITION] = 0
            n_accepted = _count_accepted(key)
        if 0 <= n_accepted < points_wanted:
            position[_KEY_POSITION] = _N_KEY
            points_wanted -= n_accepted
        else:
            points_wanted -= _skip_exactly(streams, points_wanted, wanted % 2 == 1)


@kernel
def _skip_exactly(streams: Streams, points_wanted: int, leaves_normal: bool) -> int:
    """Advance stream 0 by accepted points, up to the end of a key; returns how many.

    With `leaves_normal`, the second normal of the last point wanted is left waiting.
    """
    position, radius = streams.positions[0], streams.radius.reshape(-1)
    n_words = _next_words(streams.keys[0], position[_KEY_POSITION], streams.words)
    n_points = n_words // _WORDS_PER_POINT
    _make_points(streams, n_points)
    n_accepted, used = 0, 0
    while used < n_points and n_accepted < points_wanted:
        n_accepted += int((radius[used] < 1.0) & (radius[used] > 0.0))
        used += 1
    position[_KEY_POSITION] = _N_KEY - (n_words - _WORDS_PER_POINT * used)
    if n_accepted == points_wanted and leaves_normal:
        r = radius[used - 1]
        streams.waiting[0] = math.sqrt(-2.0 * math.log(r) / r) * streams.points[2 * used - 2]
        position[_HAS_NORMAL] = 1
    return n_accepted
