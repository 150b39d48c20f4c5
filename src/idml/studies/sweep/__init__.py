"""Sweeps: one run for each way to combine values of some keys, and what came of them.

`vary` reads what is varied and makes the cells, `cells` plays them, `quantities` says which numbers are taken of a run.
`effects` makes means and differences of them; `files` and `page` write them down. `compare` sets single runs side by
side.
"""
