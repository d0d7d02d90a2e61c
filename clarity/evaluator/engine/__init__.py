"""The stages of the ear model compiled, hop by hop, four bands at a time."""
