"""Records to problems. Each check screens whole columns and looks closer at suspects only."""
