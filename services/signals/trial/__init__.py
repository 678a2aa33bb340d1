"""Trying thresholds out before they are saved: the rules over columns in memory."""
