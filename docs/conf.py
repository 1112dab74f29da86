"""How Sphinx builds the site: `python3 run.py docs`, into `build/docs`. Nothing is downloaded while it builds."""

from __future__ import annotations

import sys
import warnings
from pathlib import Path

DOCS = Path(__file__).resolve().parent
sys.path[:0] = [str(DOCS), str(DOCS.parent / "CTDiffusionRecon")]

import ctdiffusion  # noqa: E402
import pages  # noqa: E402

pages.write()

project = "CTDiffusionRecon"
author = "The CTDiffusionRecon maintainers"
copyright = author
release = version = ctdiffusion.__version__

extensions = ["myst_nb", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinx_gallery.gen_gallery"]
# Parts of pages, and what the gallery makes beside them.
exclude_patterns = ["algorithms", "generated", "pages", "examples", "methods/table-*.md"]
exclude_patterns += ["gallery/*.ipynb", "gallery/*.py"]

myst_enable_extensions = ["deflist"]
myst_heading_anchors = 3
# Notebooks are stored without outputs and run in every build.
nb_execution_mode = "force"
nb_execution_timeout = 600
nb_execution_raise_on_error = True
nb_merge_streams = True

sphinx_gallery_conf = {
    "examples_dirs": "examples",
    "gallery_dirs": "gallery",
    "filename_pattern": r"\.py$",
    "abort_on_example_error": True,
    "download_all_examples": False,
    "show_memory": False,
    "show_signature": False,
    "write_computation_times": False,
    "min_reported_time": 1e6,
    "matplotlib_animations": False,
}
# A backend without a display is what it uses, and matplotlib says so.
warnings.filterwarnings("ignore", message=".*non-interactive.*")

autodoc_typehints = "signature"
autodoc_member_order = "bysource"
napoleon_use_ivar = True
napoleon_numpy_docstring = False
python_maximum_signature_line_length = 88

html_theme = "furo"
html_title = "CTDiffusionRecon"
html_copy_source = False
html_show_sourcelink = False
html_static_path = ["static"]
html_css_files = ["site.css"]
html_favicon = "../Resources/Icons/CTDiffusionRecon.png"
# The same build twice is the same to the byte.
html_last_updated_fmt = None
