"""Raw rows to conversations."""
