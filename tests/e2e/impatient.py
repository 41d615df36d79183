"""`panspermia` whose patience with peers is short: what comes after it can then be waited for.

    python tests/e2e/impatient.py up …

Everything else is as it is.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from p2p.protocol import limits

# Before any other module takes them over.
limits.DEAD_AFTER_S = 5.0
limits.LINGER_S = 3.0
limits.ANSWER_S = 6.0

import cli  # noqa: E402 - it reads what is set before this line

if __name__ == "__main__":
    cli.main()
