"""The command `winback`: the composition root. It may import every service; nothing imports it."""
