"""How far the pipeline is, and waiting until it has come far enough."""
