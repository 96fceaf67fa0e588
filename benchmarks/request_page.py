"""The result page of ``python -m benchmarks.request``, as Markdown."""
def as_page(*a): return ""
