"""Three ways of taking the same episodes to one GPU, and what their spans show."""
