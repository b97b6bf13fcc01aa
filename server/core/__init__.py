"""What every other package builds on: records, errors, the hub and the data folder."""
