"""Names that a module carries into listings, logs and links: which of them are refused.

Any UTF-8 is a valid name in WebAssembly, so a name may turn the line it stands in around, hide a
character, or look like a path. A module with such a name is refused rather than escaped, because
the same name is what its dependents must write.
"""

import unicodedata

# Controls (Cc), invisible and bidirectional format characters (Cf), line and paragraph separators
# (Zl, Zp): each of them shows something else than what is compared. Half a character (Cs) cannot be
# written at all.
UNSAFE_CATEGORIES = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})


def unsafe(name: str) -> str | None:
    """Why `name` is refused, or None."""
    if name.isascii() and name.isprintable():
        return dotted(name)
    for character in name:
        if unicodedata.category(character) in UNSAFE_CATEGORIES:
            title = unicodedata.name(character, "a control character")
            return f"holds U+{ord(character):04X} ({title})"
    return dotted(name)


def dotted(name: str) -> str | None:
    """`../x` is a path that leaves its folder, should anyone ever map names to files."""
    if ".." in name and ".." in name.replace("\\", "/").split("/"):
        return "has a `..` step"
    return None
