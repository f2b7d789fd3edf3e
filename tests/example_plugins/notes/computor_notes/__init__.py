"""Staff's notes on course members, as a Computor plugin."""
