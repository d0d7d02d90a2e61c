"""Source separation of stereo music into stems."""
