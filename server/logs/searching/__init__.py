"""What searches of logs ask for, and whose turn it is."""
