"""Rows and answers as other evaluation tools read them."""
