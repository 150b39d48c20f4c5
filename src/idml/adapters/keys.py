"""Where every random draw comes from: a seed derived from what it is for, never from what ran before.

A draw in an encounter is keyed by (run seed, learner, learner's nonce, purpose), so that a simulation and a device
agree, and so that the order in which work is done changes nothing.
"""

import hashlib


def draw_seed(*key: int | str) -> int:
    """Derive a 64-bit seed from a key of integers and strings; equal keys give equal seeds.

    Args:
        key: for instance (run seed, learner, nonce, "validate", validator).
    """
    return int.from_bytes(draw_bytes(*key)[:8], "big")


def draw_bytes(*key: int | str) -> bytes:
    """Derive 32 bytes from a key, as `draw_seed`."""
    text = "\x1f".join(f"{'i' if isinstance(part, int) else 's'}{part}" for part in key)
    return hashlib.sha256(text.encode()).digest()
