"""Searching for networks: many recipes tried, accuracy against cost."""
