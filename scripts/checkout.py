"""The `panspermia` command of a checkout, for `scripts/panspermia`.

Python compiles the file that it is given at every start, so that file is short; `cli.py` is
imported, with its bytecode.
"""

import sys

sys.path[0] = sys.path[0].removesuffix("scripts")

from cli import main  # noqa: E402 - only now is it on the path

main()
