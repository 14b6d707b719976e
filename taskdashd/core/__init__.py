"""What every operation stands on, in small parts with one word each.

No family is named in here, and nothing in here knows a socket or an event loop.
"""
