"""The commands of `vlmtrain` that have a file of their own."""
