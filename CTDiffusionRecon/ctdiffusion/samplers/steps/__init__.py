"""Steps of samplers: one published algorithm a file, each a function (context, x, level) -> (x, x0)."""
