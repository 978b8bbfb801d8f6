"""The program as portable C99: no libc but string.h, no allocation, nothing global written."""
