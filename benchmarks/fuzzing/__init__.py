"""Targets of `python -m benchmarks.fuzz`: one module each, with a function `prepare()`.

`prepare()` sets up what all inputs share and returns a function that makes one mutated input with the random numbers
it is given, feeds it to the product, and checks what came of it. It raises on any fault: an exception that is not a
HeadcountError has escaped, or an AssertionError says which promise was broken. What it returns is a word for the
outcome ("answered", "refused", ...), which is counted. `benchmarks.fuzzing.mutating` has mutations that targets share.
"""
