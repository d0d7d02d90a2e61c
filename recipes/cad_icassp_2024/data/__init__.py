"""The data: scenes, listeners and songs, their files found, checked and read."""
