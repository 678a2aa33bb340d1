"""The pages of sequences: the list, a draft's editor, its launch, and one that runs."""
