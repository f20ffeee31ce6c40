"""What this process asks of the system."""

import subprocess
import sys

import pytest

COUNT_FAULTS = """
import resource
import sys
import torch
from bipedal.processes import keep_freed_memory

torch.set_num_threads(1)
if sys.argv[1] == "keep":
    keep_freed_memory()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for pages in range(256, 4096, 64):  # each larger than any before, so glibc would map it anew
    torch.zeros(pages * 1024).add(1.0)
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""
PAGES = 2 * sum(range(256, 4096, 64))
"""What these tensors and the results take, in pages of 4 KiB."""


def page_faults(how: str) -> int:
    """Pages that were faulted in meanwhile."""
    command = [sys.executable, "-c", COUNT_FAULTS, how]
    return int(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


@pytest.mark.skipif(sys.platform != "linux", reason="glibc is Linux's")
def test_freed_memory_is_not_faulted_in_again() -> None:
    assert page_faults("leave") > 0.9 * PAGES  # else the next line would show nothing
    assert page_faults("keep") < 0.2 * PAGES
