"""Forwards that leave no trace."""

import pytest
import torch
from tiny import buffers, differing
from torch import nn

from steadygan.game.player import frozen_buffers


class Counter(nn.Module):
    """A layer of one's own that remembers how often it was called."""

    def __init__(self):
        super().__init__()
        self.register_buffer("calls", torch.zeros(()))
        self.frozen_buffers = False

    def forward(self, x):
        if not self.frozen_buffers:
            self.calls += 1
        return x


def network():
    torch.manual_seed(0)
    untracked = nn.BatchNorm1d(4, track_running_stats=False)
    return nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), untracked, Counter())


def flags(module):
    return [(m.track_running_stats) for m in module if hasattr(m, "track_running_stats")] + [
        module[3].frozen_buffers
    ]


def test_a_forward_inside_moves_nothing_and_gives_the_same():
    net, x = network(), torch.randn(8, 3)
    before = buffers(net)
    with frozen_buffers(net):
        inside = net(x)
        assert flags(net) == [False, False, True]
    assert differing(buffers(net), before) == []
    assert torch.equal(inside, net(x))  # the statistics of its own batch, as in training
    assert len(differing(buffers(net), before)) == len(before)


def test_flags_come_back_after_an_exception():
    net = network()
    with pytest.raises(ZeroDivisionError), frozen_buffers(net):
        raise ZeroDivisionError
    assert flags(net) == [True, False, False]


def test_nesting_gives_the_flags_back_at_the_outer_end():
    net, x = network(), torch.randn(8, 3)
    before = buffers(net)
    with frozen_buffers(net):
        with frozen_buffers(net):
            net(x)
        net(x)
    assert differing(buffers(net), before) == []
    assert flags(net) == [True, False, False]


def test_in_eval_mode_the_running_statistics_are_used_all_the_same():
    net, x = network().eval(), torch.randn(8, 3) * 5 + 2
    with frozen_buffers(net):
        inside = net(x)
    assert torch.equal(inside, net(x))
    assert not torch.equal(inside, net.train()(x))


def test_the_statistics_of_an_instance_norm_stay_too():
    net = nn.Sequential(nn.Conv2d(1, 4, 3), nn.InstanceNorm2d(4, track_running_stats=True))
    x, before = torch.randn(8, 1, 6, 6), buffers(net)
    with frozen_buffers(net):
        inside = net(x)
    assert differing(buffers(net), before) == []
    assert torch.equal(inside, net(x))
    assert len(differing(buffers(net), before)) > 0
