"""The commands: each parses its arguments, calls the API and prints. `cli` puts them together."""
