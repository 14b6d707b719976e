"""Subscribers are told of every change: live, or catching up from the log when behind.

Neither the database nor sockets enter here: the log is a function, a subscriber an interface.
"""
