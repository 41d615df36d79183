"""The installed `panspermia` command; in a wheel this file is `panspermia/__init__.py`.

A wheel holds the checkout's folders inside one folder, so that `node`, `storage` and the rest stay
out of everyone else's site-packages. This puts that folder first on the path, as Python does for
`python cli.py` in a checkout, so modules have the same names in both.
"""

import sys
from pathlib import Path


def main() -> None:
    sys.path.insert(0, str(Path(__file__).parent))
    from cli import main as run

    run()
