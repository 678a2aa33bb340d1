"""What people do, a module per thing. Pages, the command line and other programs call the same
functions, so there is one law.

An action takes the transaction, the organization, and as `by` the Actor who wants it. It checks
whether they may, decides, writes, and adds its row to the audit log. It raises Forbidden for who
may not, NotFound for what is not there, Rejected with the fields that are wrong.
"""
