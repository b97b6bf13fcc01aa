"""Running processes: claim, launch, supervise, record, conclude and recover."""
