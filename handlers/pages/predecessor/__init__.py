"""The URLs of tom_education: bookmarks lead on, its form and its downloads work."""
