"""The pure core: the gate's tables, the journal's text, tag2upload's protocol, replay."""
