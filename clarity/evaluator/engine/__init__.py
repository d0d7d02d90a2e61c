"""The stages of the ear model compiled, hop by hop, four or eight bands at a time."""
