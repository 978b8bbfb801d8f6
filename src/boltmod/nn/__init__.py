"""Networks: one file each, built from a frozen configuration."""
