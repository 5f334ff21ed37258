"""The parts of an evaluation's page, a file each: what they are given are values, what they return is HTML."""
