"""A drawn catalog of products in many languages that is clean, and mistakes to plant in it, each with its rule."""
