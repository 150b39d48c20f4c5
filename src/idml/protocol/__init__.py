"""The protocol: messages, the states of an encounter, roles, settlement and digests.

It does no I/O, and it imports neither PyTorch nor any other room of the package.
"""
