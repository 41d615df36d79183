"""Where the last row of each pack ends."""

ENDS = (  # what lies last there ends last, so no other row is read
    "SELECT p.number, k.at + k.size FROM pack p CROSS JOIN packed k ON k.pack = p.number"
    " AND k.at = (SELECT max(at) FROM packed WHERE pack = p.number)"
)
