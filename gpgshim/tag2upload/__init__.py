"""tag2upload's oracle: the stunt dgit-repos-server, checks of its set-up, and a rehearsal."""
