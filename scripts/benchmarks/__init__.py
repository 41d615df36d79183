"""The benchmarks behind docs/BENCHMARKS.md, one module each with a `main() -> Figures`."""
