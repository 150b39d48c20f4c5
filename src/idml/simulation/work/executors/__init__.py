"""Where a run's heavy work can be done besides the run's own process."""
