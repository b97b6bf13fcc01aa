"""The core of Heliograph: configuration, records, store, files, dispatch and start-up."""
