"""Web servers on this machine that speak the providers' own protocols, and fail on a script."""
