"""What this process asks of the system."""

import subprocess
import sys

import pytest

COUNT_FAULTS = """
import resource
import torch
from bipedal.processes import keep_freed_memory
torch.set_num_threads(1)

keep_freed_memory()
for _ in range(20):
    torch.zeros(1 << 18).add(1.0)
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(200):
    torch.zeros(1 << 18).add(1.0)
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="glibc is Linux's")
def test_freed_memory_is_not_faulted_in_again() -> None:
    faults = int(
        subprocess.run(
            [sys.executable, "-c", COUNT_FAULTS],
            check=True,
            capture_output=True,
            text=True,
        ).stdout
    )
    assert faults < 1000  # two megabytes are 512 pages, 200 times
