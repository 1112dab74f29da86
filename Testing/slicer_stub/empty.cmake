# Stands for the files of Slicer that the extension includes.
