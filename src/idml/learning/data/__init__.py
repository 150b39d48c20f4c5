"""Data sets, how they are dealt out to devices, and how attackers poison them."""
