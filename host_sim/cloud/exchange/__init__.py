"""The devices' end of the cloud: messages and orders in, one transaction for many, messages and notices out.

Nothing leaves before what it depends on is committed. Any worker may serve any device: the row of its link is
locked while a turn uses it, and a turn's memory of a link is good only while the row's version says so.
"""
