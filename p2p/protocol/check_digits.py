"""Check digits: four groups that two people read to each other, to know that no third is between.

    BLAKE3("panspermia-check-digits:" ‖ smaller device key ‖ larger one), 16 bytes, mod 10^20

The same on both nodes. A stranger would have to try 2^66 keys to be taken for one of the two.
"""

from blake3 import blake3

CHECK_DIGITS_PREFIX = b"panspermia-check-digits:"
GROUPS = 4
GROUP_DIGITS = 5


def check_digits(device: bytes, other: bytes) -> str:
    """`12345 67890 12345 67890`, for these two device keys in any order."""
    first, second = sorted((device, other))
    digest = blake3(CHECK_DIGITS_PREFIX + first + second).digest()[:16]
    count = GROUPS * GROUP_DIGITS
    digits = f"{int.from_bytes(digest, 'big') % 10**count:0{count}}"
    return " ".join(digits[at : at + GROUP_DIGITS] for at in range(0, count, GROUP_DIGITS))
