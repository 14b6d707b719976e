"""The declarations of all requests, a module for each family, and nothing else.

`taskdash_protocol.requests` finds every module in here: a new family is a new file.
"""
