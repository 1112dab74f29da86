"""The methods, one file each; `registry.slice_methods` finds them."""
