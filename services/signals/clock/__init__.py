"""What is due, as the one process that looks at the wall sees it: `winback serve clock`."""
