"""The detection rules once more, as SQL over the orders; held against the detector's signals."""
