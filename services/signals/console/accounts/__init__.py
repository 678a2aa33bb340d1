"""The accounts table and the drawer of an account, with why its signals are
active and what was done about them.
"""
