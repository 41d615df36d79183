"""The commands of the command line, one module a family, each imported when it is called.

A command named `x-y` in `cli.COMMANDS` is `<name>_command` in its module.
"""
