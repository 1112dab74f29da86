"""3x3 convolutions with a quarter of the multiplications, for networks that are evaluated on a CPU."""
