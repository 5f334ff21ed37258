"""What a shop adds to vlmdata and vlmtrain: a source, rules, a model family and a metric."""
