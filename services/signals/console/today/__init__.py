"""Today, the first page: whom to call, what is due, what came back; for who manages, a row an owner
and twelve months; for a new organization, the three first steps.
"""
