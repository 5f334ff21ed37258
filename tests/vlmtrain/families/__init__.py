"""Every family, through everything that a run does."""
