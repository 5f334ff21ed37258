"""Damaged inputs by the thousand: small projects, one file of each changed by a numbered mutation, built and judged.

`python -m tests.vlmdata.fuzzing --case 1234` runs one again; `make fuzz` runs 10,000. A case passes where the build
either publishes a dataset that validates or says in a VlmError which file it is about; where no row of what was not
damaged is lost; and where nothing outside the project is read.
"""
