"""The console: `winback serve console`. A room a kind of page; each page works without JavaScript."""
