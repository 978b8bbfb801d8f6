"""What a network costs, by the challenge's rules and by stricter ones."""
