"""The web app over a folder of runs (extra `studio`)."""

from steadygan.studio.app import serve as serve
