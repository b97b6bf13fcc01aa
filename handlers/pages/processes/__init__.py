"""The pages about one process: its log and facts, its receipt, and what a link to it shows."""
