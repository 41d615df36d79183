"""`panspermia` that waits long for entries it asked one peer for, before it asks another for them:
so on a machine that is busy for some seconds, too, each entry comes once.

    python tests/e2e/patient.py up …

Everything else is as it is.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from p2p.protocol import limits

# Before any other module takes them over.
limits.ENTRIES_PATIENCE_S = 120.0
limits.ENTRIES_PATIENCE_LONGEST_S = 120.0

import cli  # noqa: E402 - it reads what is set before this line

if __name__ == "__main__":
    cli.main()
