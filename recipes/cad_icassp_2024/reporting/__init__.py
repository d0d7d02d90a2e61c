"""What ``report.py`` is made of: results, statistics, plots, players and the page."""
