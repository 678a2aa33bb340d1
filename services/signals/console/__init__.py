"""The console: `winback serve console`. A room a kind of page; each works without JavaScript."""
