"""The report: a run or study folder (JSON, PNG) -> one static HTML file that opens offline.

Reads files only: never imports torch, nor any other part of the package but its errors, `files`,
`locks`, `records`, `stability.score` with `curve` and `signals`, and `metrics.names`: arithmetic on
what runs have logged, and names.
"""

from steadygan.report.page import write_report

__all__ = ["write_report"]
