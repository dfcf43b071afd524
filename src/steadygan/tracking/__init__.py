"""A run's history handed on while it trains: to a tracker, and to its own report."""

from steadygan.tracking.follow import Follower as Follower
from steadygan.tracking.follow import Reader as Reader
from steadygan.tracking.live_report import LiveReport as LiveReport
from steadygan.tracking.trackers import NAMES as NAMES
from steadygan.tracking.trackers import tracker as tracker
