"""What pages load beside their data: scripts, style sheets, and the frame that draws plots."""
