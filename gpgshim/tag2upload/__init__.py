"""tag2upload's oracle: the stunt dgit-repos-server, and how it is deployed and rehearsed."""
