"""The integer program carried out in turns: eight lanes, one instruction a clock, one memory."""
