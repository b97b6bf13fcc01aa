"""Light curves of targets: their points, where these come from, files of them, and periods.

Also the tables that light curves are read from.
"""
