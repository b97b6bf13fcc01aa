"""What every other package stands on: records, errors, the hub and the data folder."""
