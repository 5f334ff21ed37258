"""Descriptions that a model, or a person, writes for the rows that have none."""
