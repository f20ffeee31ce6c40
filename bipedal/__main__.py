"""`python -m bipedal`, the same as the command `bipedal`."""

import sys

from bipedal.cli import main

if __name__ == "__main__":
    sys.exit(main())
