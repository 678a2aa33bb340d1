"""What people do, each with its row in the audit log. Pages, the command line and other services
call the same functions.
"""
