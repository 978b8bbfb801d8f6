"""The integer program as streaming hardware: Amaranth modules, Verilog, simulation, placement."""
