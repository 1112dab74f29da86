"""Several methods on one measurement, side by side: study, report, demo."""
