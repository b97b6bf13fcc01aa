"""The process that an `Examiner` starts."""

from __future__ import annotations

from runners.examiner.child import main

if __name__ == "__main__":
    main()
