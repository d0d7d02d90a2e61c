"""Recipes: complete experiments built on the clarity library."""
