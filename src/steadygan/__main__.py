"""`python -m steadygan` is the `steadygan` command."""

import os
import sys

# `python -m` looks for modules in the working folder first. What lies there may be someone else's
# run, with a torch.py in it; `use_own_code` looks there where that is wanted.
if not getattr(sys.flags, "safe_path", False) and sys.path[:1] in ([""], [os.getcwd()]):
    del sys.path[0]

from steadygan.cli import main

main()
