"""Objective quality: the cochlear model and HAAQI."""
