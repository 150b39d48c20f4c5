"""The native engine: the networks of iDML in C++, several times faster than PyTorch, and the same bits everywhere.

`cpp/` holds the library, which `build` compiles and `library` loads; `engine` is what the rest of iDML sees of it.
"""
