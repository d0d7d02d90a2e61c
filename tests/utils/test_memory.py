"""Blocks, and memory that is kept."""

from __future__ import annotations

import subprocess
import sys

import pytest

from clarity.utils.memory import BLOCK_ROWS, blocks

SECOND_BLOCK = """
import resource
from clarity.utils.memory import keep_freed_memory

assert keep_freed_memory()

def faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    bytearray(48 << 20)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

faults()
print(faults())
"""


@pytest.mark.parametrize("n_rows", [0, 1, BLOCK_ROWS, 3 * BLOCK_ROWS + 5])
def test_blocks_are_all_rows_in_order(n_rows):
    rows = [row for block in blocks(n_rows) for row in range(n_rows)[block]]
    assert rows == list(range(n_rows))
    assert all(0 < block.stop - block.start <= BLOCK_ROWS for block in blocks(n_rows))


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="a setting of the GNU C library")
def test_a_freed_block_is_used_again_without_new_pages():
    # A new block of 48 MB takes 12288 pages of 4 KB, or 24 of 2 MB.
    done = subprocess.run(
        [sys.executable, "-c", SECOND_BLOCK], check=True, capture_output=True, text=True
    )
    assert int(done.stdout) < 10
