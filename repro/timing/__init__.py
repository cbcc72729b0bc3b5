"""At what price: the program of 2006, rates of this machine and of others."""
