"""Training: the loop, and the run that puts data, network, loop and evaluation together."""
