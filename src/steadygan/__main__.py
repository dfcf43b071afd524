"""`python -m steadygan` is the `steadygan` command."""

import os
import sys
from contextlib import suppress

# `python -m` looks for modules in the working folder first. What lies there may be someone else's
# run, with a torch.py in it; `use_own_code` looks there where that is wanted.
if not getattr(sys.flags, "safe_path", False):
    with suppress(FileNotFoundError):  # a working folder that is gone is said in a line
        sys.path[:1] = [path for path in sys.path[:1] if path not in ("", os.getcwd())]

from steadygan.cli import main

main()
