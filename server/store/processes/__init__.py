"""Collections of processes: records, log chunks, sections, frames, receipts, idempotency keys."""
