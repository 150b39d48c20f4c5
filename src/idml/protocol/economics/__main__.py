"""`python -m idml.protocol.economics` prints the tables of docs/economics.md."""

from idml.protocol.economics.tables import tables

print(tables())
