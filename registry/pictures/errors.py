"""What cannot be drawn.

```
NoPicture (a RegistryError)   of that format there is none, or nothing is in it, or too much
```
"""

from registry.errors import RegistryError


class NoPicture(RegistryError):
    """There is no picture of that."""

    code = "no-picture"
