"""How much of anything a module may hold, checked on its outline before anything is validated.

WebAssembly's own limits allow modules of a few kilobytes that take a compiler minutes. Beside each
bound stands the largest value found in 85 published modules; what is known to blow up lies above.
"""

import msgspec

SIZE_BYTES_MAX = 10 << 20  # validation runs at about 120 MB/s, so 10 MiB stay within 100 ms
PAGE_BYTES = 65_536
NAME_BYTES_MAX = 4_096  # mangled C++ names reach hundreds of bytes


class Limits(msgspec.Struct, frozen=True):
    """At most so many; a value above is refused by name."""

    functions: int = 100_000  # 62,171; 1,000,000 empty ones compile for over 15 s
    type_section_bytes: int = 65_536  # 7,066; one group of 900,000 types takes 256 MB
    imports: int = 1_000  # 791 with dynamic linking, else 97
    exports: int = 100_000  # 75,111 with dynamic linking, else 241
    signature_values: int = 1_000_000  # 565 of ten; wasmtime's own bound, met before text is made
    locals: int = 1_000_000  # 237,260; 20,000 functions of 50,000 locals are 160 kB
    body_bytes: int = 1 << 20  # 905,829; 6 MB of if/else in one body take 1.9 GB
    data_segments: int = 100_000  # 98,450 in a Go program, else 28,951
    custom_bytes: int = 4 << 20  # 1,824,705: names and debug information
    custom_sections: int = 1_000  # some ten; each costs a step of this reader
    memory_pages: int = 16_384  # 512; 1 GiB at start
