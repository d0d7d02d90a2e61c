"""Noise at the threshold of hearing, from NumPy's legacy random stream.

The model draws one standard normal for every sample of every band: all bands of the reference
first, then all of the processed signal. Published scores depend on exactly these draws. Storing
them would take 512 bytes a sample, and drawing them in order would keep the bands waiting for one
another; instead a first pass only counts through the stream and notes its state at the start of
every band.

The stream is that of `numpy.random.RandomState`: MT19937 (Matsumoto & Nishimura 1998), 53-bit
uniforms, and normals by Marsaglia's polar method, which come in pairs: the second of a pair waits
for the next draw.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from clarity.evaluator.ear_model.threshold_noise import RandomStream
from clarity.evaluator.engine.elementary import log2_and_inverse
from clarity.evaluator.engine.jit import exact_kernel, kernel

_N_KEY = 624
_SHIFT = 397
_UPPER = np.uint32(0x80000000)
_LOWER = np.uint32(0x7FFFFFFF)
_MATRIX = np.uint32(0x9908B0DF)
_TEMPER_B = np.uint32(0x9D2C5680)
_TEMPER_C = np.uint32(0xEFC60000)
_LOW_27_BITS = np.uint64(0x7FFFFFF)
_BITS_OF_2_TO_52 = np.uint64(0x4330000000000000)
_WORDS_PER_POINT = 4
_MAX_WORDS = _N_KEY + _WORDS_PER_POINT
_MAX_POINTS = _MAX_WORDS // _WORDS_PER_POINT
_MINUS_TWO_LN_2 = -2.0 * math.log(2.0)

# Entries of `Stream.position`.
_KEY_POSITION, _HAS_NORMAL, _NEXT_WORD, _N_WORDS, _NEXT_NORMAL, _N_NORMALS = range(6)


class Stream(NamedTuple):
    """A position in the random stream, and what has been computed ahead of it.

    Attributes
    ----------
    key : ndarray of uint32, shape (624,)
        Key of the generator.
    position : ndarray of int64, shape (6,)
        Position in the key; whether `waiting` holds a normal; next and end of `words`; next and end
        of `normals`.
    waiting : ndarray, shape (1,)
        Second normal of a pair whose first was drawn.
    words : ndarray of uint32, shape (628,)
        Outputs of the generator.
    points : ndarray, shape (314,)
        Scratch: coordinates of random points of the square (-1, 1) x (-1, 1), in turn.
    radius : ndarray, shape (157,)
        Scratch: squared distance of each point from the origin.
    accepted : ndarray of int64, shape (157,)
        Scratch: 1 for a point in the unit circle and not at its centre, else 0.
    normals : ndarray, shape (317,)
        Normals drawn ahead.
    """

    key: NDArray[np.uint32]
    position: NDArray[np.int64]
    waiting: NDArray[np.float64]
    words: NDArray[np.uint32]
    points: NDArray[np.float64]
    radius: NDArray[np.float64]
    accepted: NDArray[np.int64]
    normals: NDArray[np.float64]


@kernel
def open_stream(key: NDArray[np.uint32], position: int, has_normal: int, waiting: float) -> Stream:
    """Stream that goes on from a state as `numpy.random.RandomState.get_state` gives it."""
    return Stream(
        key=key.copy(),
        position=np.array([position, has_normal, 0, 0, 0, 0], np.int64),
        waiting=np.array([waiting]),
        words=np.zeros(_MAX_WORDS, np.uint32),
        points=np.zeros(2 * _MAX_POINTS),
        radius=np.zeros(_MAX_POINTS),
        accepted=np.zeros(_MAX_POINTS, np.int64),
        normals=np.zeros(2 * _MAX_POINTS + 3),
    )


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

    def open(self, point: int) -> Stream:
        """Stream that goes on from one of the points."""
        return open_stream(self.keys[point], *self.positions[point], self.waiting[point])


def survey(generator: RandomStream, n_draws: int, n_blocks: int) -> StreamStates:
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
    stream = open_stream(np.asarray(key), position, has_normal, waiting)
    _count_blocks(stream, n_draws, states)
    return states


def leave_at(generator: RandomStream, states: StreamStates, point: int) -> None:
    """Put a generator at one of the points of a survey."""
    position, has_normal = states.positions[point]
    generator.set_state(
        (
            "MT19937",
            states.keys[point],
            int(position),
            int(has_normal),
            float(states.waiting[point]),
        )
    )


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
def _temper(key: NDArray[np.uint32], first: int, words: NDArray[np.uint32], at: int) -> None:
    """Write the outputs for the key from `first` on to `words` from `at` on."""
    # Slices, here and below: an index that might be negative keeps loops from vectorising.
    key_part, words_part = key[first:], words[at:]
    for k in range(key_part.size):
        y = key_part[k]
        y ^= y >> np.uint32(11)
        y ^= (y << np.uint32(7)) & _TEMPER_B
        y ^= (y << np.uint32(15)) & _TEMPER_C
        words_part[k] = y ^ (y >> np.uint32(18))


@kernel
def _refill_words(stream: Stream) -> None:
    """Have the four words of a point ready."""
    position = stream.position
    if position[_N_WORDS] == 0 and position[_KEY_POSITION] < _N_KEY:
        first = position[_KEY_POSITION]
        _temper(stream.key, first, stream.words, 0)
        position[_N_WORDS] = _N_KEY - first
    left = position[_N_WORDS] - position[_NEXT_WORD]
    if left < _WORDS_PER_POINT:
        for k in range(left):
            stream.words[k] = stream.words[position[_NEXT_WORD] + k]
        _twist(stream.key)
        _temper(stream.key, 0, stream.words, left)
        position[_NEXT_WORD] = 0
        position[_N_WORDS] = left + _N_KEY


@exact_kernel
def _as_float(value: int) -> float:
    """Convert an integer below 2^52: put into the mantissa of 2^52 it is that much more."""
    return np.uint64(value | _BITS_OF_2_TO_52).view(np.float64) - 2.0**52


@exact_kernel
def _make_points(stream: Stream) -> int:
    """Random points of the square for all whole groups of words; returns how many.

    A coordinate is 2 u - 1, with the 53-bit uniform u = (a 2^26 + b) / 2^53, a being the upper 27
    bits of one word and b the upper 26 of the next. Nothing here may be fused: a squared radius
    that is rounded otherwise than NumPy rounds it could fall on the other side of the unit circle.
    """
    words = stream.words[stream.position[_NEXT_WORD] : stream.position[_N_WORDS]]
    points, radius, accepted = stream.points, stream.radius, stream.accepted
    n_points = words.size // _WORDS_PER_POINT
    word_pairs = words[: _WORDS_PER_POINT * n_points].view(np.uint64)
    for i in range(2 * n_points):
        a = (word_pairs[i] >> np.uint64(5)) & _LOW_27_BITS
        b = word_pairs[i] >> np.uint64(38)
        scaled = (_as_float(a) * 67108864.0 + _as_float(b)) * 2.0**-52
        points[i] = scaled - 1.0
    for i in range(n_points):
        radius[i] = points[2 * i] * points[2 * i] + points[2 * i + 1] * points[2 * i + 1]
    for i in range(n_points):
        accepted[i] = np.int64(radius[i] < 1.0) & np.int64(radius[i] > 0.0)
    return n_points


@kernel
def _normal_factor(radius: float) -> float:
    """Factor sqrt(-2 ln(r) / r) of the polar method, r being the squared radius."""
    log2_radius, inverse = log2_and_inverse(radius)
    return np.sqrt(_MINUS_TWO_LN_2 * log2_radius * inverse)


@kernel
def _draw_ahead(stream: Stream) -> None:
    """Fill `normals` from all words at hand."""
    position, normals = stream.position, stream.normals
    end = np.uint64(0)  # unsigned, so that no index needs a test for being negative
    if position[_HAS_NORMAL] == 1:
        normals[0] = stream.waiting[0]
        position[_HAS_NORMAL] = 0
        end = np.uint64(1)
    _refill_words(stream)
    n_points = _make_points(stream)
    position[_NEXT_WORD] += _WORDS_PER_POINT * n_points
    points, radius, accepted = stream.points, stream.radius, stream.accepted
    for i in range(n_points):
        radius[i] = _normal_factor(radius[i])
    # Points outside the circle are written too, and written over by the next.
    for i in range(n_points):
        normals[end] = radius[i] * points[2 * i + 1]
        normals[end + np.uint64(1)] = radius[i] * points[2 * i]
        end += np.uint64(2 * accepted[i])
    position[_NEXT_NORMAL] = 0
    position[_N_NORMALS] = end


@kernel
def add_normals(stream: Stream, gain: float, out: NDArray[np.float64]) -> None:
    """Add `gain` times the next standard normals of a stream to a signal.

    Parameters
    ----------
    stream : Stream
        Where to draw from; advanced.
    gain : float
        Factor.
    out : ndarray, shape (n_draws,)
        Signal, changed in place.
    """
    position, normals = stream.position, stream.normals
    done = 0
    while done < out.size:
        if position[_NEXT_NORMAL] == position[_N_NORMALS]:
            _draw_ahead(stream)
        first = position[_NEXT_NORMAL]
        n_draws = min(out.size - done, position[_N_NORMALS] - first)
        target, ready = out[done : done + n_draws], normals[first : first + n_draws]
        for i in range(target.size):
            target[i] += gain * ready[i]
        position[_NEXT_NORMAL] = first + n_draws
        done += n_draws


@kernel
def _count_blocks(stream: Stream, n_draws: int, states: StreamStates) -> None:
    """Note the state of the stream before each block of `n_draws` normals and after the last."""
    for block in range(states.waiting.size):
        states.keys[block] = stream.key
        states.positions[block, 0] = stream.position[_KEY_POSITION]
        states.positions[block, 1] = stream.position[_HAS_NORMAL]
        states.waiting[block] = stream.waiting[0]
        if block + 1 < states.waiting.size:
            _skip(stream, n_draws)


@kernel
def _skip(stream: Stream, n_draws: int) -> None:
    """Advance by some draws, computing only the normal that is left waiting."""
    position = stream.position
    wanted = n_draws
    if wanted > 0 and position[_HAS_NORMAL] == 1:
        position[_HAS_NORMAL] = 0
        stream.waiting[0] = 0.0
        wanted -= 1
    points_wanted = (wanted + 1) // 2
    while points_wanted > 0:
        _refill_words(stream)
        n_points = _make_points(stream)
        accepted = stream.accepted
        n_accepted = 0
        for i in range(n_points):
            n_accepted += accepted[i]
        used = n_points
        if n_accepted >= points_wanted:
            used = 0
            n_accepted = 0
            while n_accepted < points_wanted:
                n_accepted += accepted[used]
                used += 1
        points_wanted -= n_accepted
        position[_NEXT_WORD] += _WORDS_PER_POINT * used
        if points_wanted == 0 and wanted % 2 == 1:
            r = stream.radius[used - 1]
            stream.waiting[0] = math.sqrt(-2.0 * math.log(r) / r) * stream.points[2 * used - 2]
            position[_HAS_NORMAL] = 1
    if position[_N_WORDS] > 0:
        position[_KEY_POSITION] = _N_KEY - (position[_N_WORDS] - position[_NEXT_WORD])
