"""Paths to bytes, and bytes to what is known of them: once per unique file."""
