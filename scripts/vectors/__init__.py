"""Makes `tests/vectors/*.json` again: `python -m scripts.vectors`. Tests compare.

Each module builds one file from names and seeds, with nothing random.
"""
