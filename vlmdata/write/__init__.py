"""What a build leaves behind: Arrow files that datasets opens, the quarantine, the manifest and the card."""
