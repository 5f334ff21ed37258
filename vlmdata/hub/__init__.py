"""What is pushed to the Hugging Face Hub, of data and of models alike: a plan first, then what the Hub has not yet."""
