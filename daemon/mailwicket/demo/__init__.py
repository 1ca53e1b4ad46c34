"""The demonstration: the real daemon between a mail server in this process and a desk in a temporary folder.

What only it needs is the extra `demo`; nothing outside this room imports that.
"""
