"""What is said: messages, encounter states, roles, settlement and digests. No I/O, no torch, no other room."""
