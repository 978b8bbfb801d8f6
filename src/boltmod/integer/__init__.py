"""The network as an exact integer program: one form, several executions that agree to the bit."""
