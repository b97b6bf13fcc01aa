"""What keeps a run within bounds: its environment, what it may read and write, who may call us.

Also what errors say of it: `wording`.
"""
