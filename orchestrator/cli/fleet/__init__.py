"""Machines as a whole: waking them, examining them, watching them all."""
