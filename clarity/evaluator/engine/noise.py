"""Noise at the threshold of hearing; equals `ear_model.threshold_noise.threshold_noise`.

The model draws one standard normal for every sample of every band: all bands of the reference
first, then all of the processed signal. Published scores depend on exactly these draws. Storing
them would take 512 bytes per sample, and drawing them in order would keep the bands waiting for one
another; instead a first pass only counts through the stream and notes its state at the start of
every band.

The stream is that of `numpy.random.RandomState`: words of the Mersenne twister, 53-bit uniforms,
and normals by Marsaglia's polar method, which come in pairs: the second of a pair waits for the
next draw.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from clarity.evaluator.ear_model.threshold_noise import RandomStream
from clarity.evaluator.engine.elementary import log2_and_inverse
from clarity.evaluator.engine.estimates import sqrt
from clarity.evaluator.engine.jit import exact_kernel, kernel
from clarity.evaluator.engine.mersenne_twister import N_KEY, WORDS_PER_POINT, next_words
from clarity.evaluator.engine.random_points import (
    coordinates,
    count_inside,
    store_in_turn,
    store_inside,
)
from clarity.evaluator.engine.vector import (
    N_ROWS,
    WIDTH,
    Vector,
    aligned_zeros,
    load,
    load_rows,
    store,
)

_MAX_WORDS = N_KEY + WORDS_PER_POINT
_ROWS_OF_POINTS = N_ROWS * -(-_MAX_WORDS // (WORDS_PER_POINT * N_ROWS * WIDTH))
_ROOM_FOR_WORDS = WORDS_PER_POINT * _ROWS_OF_POINTS * WIDTH
_MINUS_TWO_LN_2 = -2.0 * math.log(2.0)

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
    normals : ndarray, shape (n_streams, 321)
        Normals drawn ahead.
    words : ndarray of uint32, shape (640,)
        Scratch: outputs of the generator.
    x, y, radius : ndarray, shape (160 / WIDTH, WIDTH)
        Scratch: random points of the square (-1, 1) x (-1, 1), and their squared distances from
        the origin.
    """

    keys: NDArray[np.uint32]
    positions: NDArray[np.int64]
    waiting: NDArray[np.float64]
    normals: NDArray[np.float64]
    words: NDArray[np.uint32]
    x: NDArray[np.float64]
    y: NDArray[np.float64]
    radius: NDArray[np.float64]


def open_streams(states: StreamStates, points: Sequence[int]) -> Streams:
    """Streams that go on from some of the states."""
    chosen = list(points)
    positions = np.zeros((len(chosen), 4), np.int64)
    positions[:, :2] = states.positions[chosen]
    return Streams(
        keys=states.keys[chosen],
        positions=positions,
        waiting=states.waiting[chosen],
        normals=np.zeros((len(chosen), 1 + 2 * _ROWS_OF_POINTS * WIDTH)),
        words=aligned_zeros(_ROOM_FOR_WORDS // 2).view(np.uint32),
        x=aligned_zeros(_ROWS_OF_POINTS, WIDTH),
        y=aligned_zeros(_ROWS_OF_POINTS, WIDTH),
        radius=aligned_zeros(_ROWS_OF_POINTS, WIDTH),
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
        keys=np.zeros((n_blocks + 1, N_KEY), np.uint32),
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


@exact_kernel
def _points(words: NDArray[np.uint32], row: int) -> tuple[Vector, Vector, Vector]:
    """Points x, y of the square and their squared radii, from groups of four words.

    Nothing here may be fused: a squared radius that is rounded otherwise than NumPy rounds it could
    fall on the other side of the unit circle.
    """
    x, y = coordinates(words, row)
    return x, y, x * x + y * y


@kernel
def _points_inside(streams: Streams) -> int:
    """Make points from all words and keep those inside the circle; returns how many they are."""
    n_inside = 0
    for row in range(_ROWS_OF_POINTS):
        x, y, radius = _points(streams.words, row)
        store_inside(streams.x, n_inside, x, radius)
        store_inside(streams.y, n_inside, y, radius)
        store_inside(streams.radius, n_inside, radius, radius)
        n_inside += count_inside(radius)
    return n_inside


@kernel
def _draw_ahead(streams: Streams, s: int) -> None:
    """Fill the normals of a stream from all words at hand.

    A point (x, y) of the circle with the squared radius r gives the normals f y and f x,
    f = sqrt(-2 ln(r) / r).
    """
    position, normals = streams.positions[s], streams.normals[s]
    first = position[_HAS_NORMAL]
    normals[0] = streams.waiting[s]
    position[_HAS_NORMAL] = 0
    n_words = next_words(streams.keys[s], position[_KEY_POSITION], streams.words)
    position[_KEY_POSITION] = N_KEY - n_words % WORDS_PER_POINT
    n_inside = _points_inside(streams)
    n_rows = (n_inside + WIDTH - 1) // WIDTH
    for row in range(0, n_rows, N_ROWS):
        log2_radius, inverse = log2_and_inverse(load_rows(streams.radius, row))
        store(streams.radius, row, sqrt(_MINUS_TWO_LN_2 * log2_radius * inverse))
    for row in range(n_rows):
        factor = load(streams.radius, row)
        at = first + 2 * WIDTH * row
        store_in_turn(normals, at, factor * load(streams.y, row), factor * load(streams.x, row))
    position[_NEXT_NORMAL] = 0
    position[_N_NORMALS] = first + 2 * n_inside


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
        for k in range(N_KEY):
            states.keys[block, k] = streams.keys[0, k]
        for k in range(2):
            states.positions[block, k] = streams.positions[0, k]
        states.waiting[block] = streams.waiting[0]


@kernel
def _skip(streams: Streams, n_draws: int) -> None:
    """Advance stream 0 by some draws, computing only the normal that is left waiting."""
    position = streams.positions[0]
    wanted = n_draws
    if wanted > 0 and position[_HAS_NORMAL] == 1:
        position[_HAS_NORMAL] = 0
        streams.waiting[0] = 0.0
        wanted -= 1
    points_wanted = (wanted + 1) // 2
    while points_wanted > 0:
        n_words = next_words(streams.keys[0], position[_KEY_POSITION], streams.words)
        n_inside = 0
        for row in range(_ROWS_OF_POINTS):
            n_inside += count_inside(_points(streams.words, row)[2])
        if n_inside < points_wanted:
            position[_KEY_POSITION] = N_KEY - n_words % WORDS_PER_POINT
            points_wanted -= n_inside
        else:
            n_points = _skip_points(streams, points_wanted, wanted % 2 == 1)
            position[_KEY_POSITION] = N_KEY - (n_words - WORDS_PER_POINT * n_points)
            points_wanted = 0


@kernel
def _skip_points(streams: Streams, n_wanted: int, leaves_normal: bool) -> int:
    """Count the points up to the one that is number `n_wanted` in the circle.

    With `leaves_normal`, its second normal is left waiting.
    """
    x, radius = streams.x.reshape(-1), streams.radius.reshape(-1)
    n_points = 0
    while n_wanted > 0:
        if n_points % WIDTH == 0:
            row_of_x, _, row_of_radius = _points(streams.words, n_points // WIDTH)
            store(streams.x, n_points // WIDTH, row_of_x)
            store(streams.radius, n_points // WIDTH, row_of_radius)
        n_wanted -= int((radius[n_points] < 1.0) & (radius[n_points] > 0.0))
        n_points += 1
    if leaves_normal:
        r = radius[n_points - 1]
        streams.waiting[0] = math.sqrt(-2.0 * math.log(r) / r) * x[n_points - 1]
        streams.positions[0, _HAS_NORMAL] = 1
    return n_points
