"""The heavy work of a run: what is asked, who does it, in this process or in others, at once or ahead of time."""
