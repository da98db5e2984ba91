"""What a user brings: documents, and a job made from them."""
