"""Tiny random models, one file each family."""
