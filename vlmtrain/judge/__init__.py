"""A judge: a strong model elsewhere that says which of two answers is better, asked only where a person wants it."""
