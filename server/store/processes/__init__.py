"""Collections of processes: records, log chunks, sections, receipts and idempotency keys."""
