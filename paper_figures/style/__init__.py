"""What the figures share: the look, colours and names, panels."""
