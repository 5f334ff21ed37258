"""Exports, and what an import brings back of them."""
