"""At what price: rates of this machine, seconds and operations to a target, days in 2006."""
