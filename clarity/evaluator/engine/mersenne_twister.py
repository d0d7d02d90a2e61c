"""The random generator MT19937 (Matsumoto & Nishimura 1998), a key of 624 words at a time."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from clarity.evaluator.engine.jit import kernel

N_KEY = 624
WORDS_PER_POINT = 4
"""Words that make a random point: two for each coordinate."""

_SHIFT = 397
_UPPER = np.uint32(0x80000000)
_LOWER = np.uint32(0x7FFFFFFF)
_MATRIX = np.uint32(0x9908B0DF)
_TEMPER_B = np.uint32(0x9D2C5680)
_TEMPER_C = np.uint32(0xEFC60000)


@kernel
def _twist(key: NDArray[np.uint32]) -> None:
    """Next 624 words of the generator's state."""
    for k in range(N_KEY - _SHIFT):
        mixed = (key[k] & _UPPER) | (key[k + 1] & _LOWER)
        odd = np.uint32(-np.int32(mixed & np.uint32(1))) & _MATRIX
        key[k] = key[k + _SHIFT] ^ (mixed >> np.uint32(1)) ^ odd
    for k in range(N_KEY - _SHIFT, N_KEY - 1):
        mixed = (key[k] & _UPPER) | (key[k + 1] & _LOWER)
        odd = np.uint32(-np.int32(mixed & np.uint32(1))) & _MATRIX
        key[k] = key[k + _SHIFT - N_KEY] ^ (mixed >> np.uint32(1)) ^ odd
    mixed = (key[N_KEY - 1] & _UPPER) | (key[0] & _LOWER)
    odd = np.uint32(-np.int32(mixed & np.uint32(1))) & _MATRIX
    key[N_KEY - 1] = key[_SHIFT - 1] ^ (mixed >> np.uint32(1)) ^ odd


@kernel
def _tempered(y: np.uint32) -> np.uint32:
    """Output of the generator for a word of its state."""
    y ^= y >> np.uint32(11)
    y ^= (y << np.uint32(7)) & _TEMPER_B
    y ^= (y << np.uint32(15)) & _TEMPER_C
    return np.uint32(y ^ (y >> np.uint32(18)))


@kernel
def next_words(key: NDArray[np.uint32], position: int, words: NDArray[np.uint32]) -> int:
    """Write all outputs from a position to the end of the key, at least four; returns how many.

    When fewer are left, the key becomes the next one. What is not a whole point, and the rest,
    become zeros.
    """
    n_words = N_KEY - position
    for k in range(n_words):
        words[k] = _tempered(key[position + k])
    if n_words < WORDS_PER_POINT:
        _twist(key)
        # A slice: an index that might be negative keeps loops from vectorising.
        behind = words[n_words:]
        for k in range(N_KEY):
            behind[k] = _tempered(key[k])
        n_words += N_KEY
    for k in range(n_words - n_words % WORDS_PER_POINT, words.size):
        words[k] = 0
    return n_words
