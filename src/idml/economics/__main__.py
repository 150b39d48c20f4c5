"""`python -m idml.economics` prints the tables of docs/economics.md."""

from idml.economics.tables import tables

print(tables())
