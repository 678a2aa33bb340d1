"""What the figures are held against: programs that a good engineer would write with the same tools,
given the same input.

Each says `ready` when it is about to work, answers in the topic of signals, and keeps what it must
keep over a crash.
"""
