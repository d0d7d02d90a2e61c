"""Making the data set: scenes and music at the hearing-aid microphones."""
