"""A run's generator as a folder that needs no steadygan."""

from steadygan.export.folder import FORMATS as FORMATS
from steadygan.export.folder import export as export
from steadygan.export.hub import push as push
