"""Samples as they come: pipes, ZeroMQ publishers, rtl_tcp."""
