"""What this process asks of the system."""

import subprocess
import sys

import pytest

COUNT_FAULTS = """
import resource
import torch
from bipedal.processes import keep_freed_memory


def share_faulted_in(sizes):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for pages in sizes:
        torch.zeros(pages * 1024).add(1.0)
    return (resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before) / (2 * sum(sizes))


torch.set_num_threads(1)
# Each tensor is larger than any before: glibc maps what it has not seen freed anew.
print(share_faulted_in(range(256, 2048, 64)))
keep_freed_memory()
print(share_faulted_in(range(2048, 4096, 64)))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="glibc is Linux's")
def test_freed_memory_is_not_faulted_in_again() -> None:
    command = [sys.executable, "-c", COUNT_FAULTS]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    before, after = map(float, done.stdout.split())
    assert before > 0.9  # else the next line would show nothing
    assert after < 0.2
