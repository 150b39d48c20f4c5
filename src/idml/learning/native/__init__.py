"""The native engine: the networks of iDML in C++. It is several times faster than PyTorch, with the same bits
everywhere.

`cpp/` holds the library. `build` compiles it, `library` loads it, and `engine` is what the rest of iDML sees of it.
"""
