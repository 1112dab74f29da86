"""Volume nodes: inputs, results, sinograms, regions, parameter node, side-by-side comparison."""
