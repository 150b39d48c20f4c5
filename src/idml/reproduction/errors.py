"""What can go wrong when results are reproduced."""


class ReproductionError(Exception):
    """A run among those of a reproduction failed, or its folder holds something else."""
