"""The commands that copy what is stored, put it back, move it elsewhere, and compact it."""
