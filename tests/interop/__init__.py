"""Exports as the receiving projects' own loaders see them; `make interop` installs those, each by itself."""
