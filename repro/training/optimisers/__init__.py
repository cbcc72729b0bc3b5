"""How an optimiser goes from a minibatch to the next parameters."""
