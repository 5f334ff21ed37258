"""A catalog looked at: what its columns hold, where its photos are, and a recipe written from that."""
