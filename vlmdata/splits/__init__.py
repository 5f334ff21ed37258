"""Which rows must stay together, and which split each group goes to."""
