"""numba kernels. Import these modules only where `operators.compiled.has_numba()` is true."""
