"""The data of the toolchain: no input or output, no environment, no clock."""
