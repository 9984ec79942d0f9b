"""What learners share, against torch's own averages and schedules."""

import threading

import numpy as np
import pytest
import torch
from torch import nn
from torch.optim.swa_utils import AveragedModel

from influence.learners.toolkit.averaging import Average
from influence.learners.toolkit.descent import Descent
from influence.learners.toolkit.orders import common_steps, own_steps
from influence.learners.toolkit.schedule import falling, rising_and_falling
from influence.learners.toolkit.threads import in_threads


def test_an_epoch_visits_every_member_once():
    masks = np.stack([np.isin(np.arange(101), np.random.default_rng(k).permutation(101)[:50]) for k in range(3)])
    for steps in (own_steps, common_steps):
        streams = [np.random.Generator(np.random.Philox(5)) for _ in range(3)]
        seen = np.zeros((3, 101))
        for rows, weight, _ in steps(streams, masks, 2, 16):
            rows = np.broadcast_to(rows.numpy(), (3, rows.shape[-1]))
            for k in range(3):
                np.add.at(seen[k], rows[k], 1 if weight is None else weight[k].numpy())
        assert np.array_equal(seen, 2.0 * masks)


def test_the_schedules_are_torchs():
    total = 23
    sgd = torch.optim.SGD([torch.zeros(1, requires_grad=True)], 1.0)
    decay = torch.optim.lr_scheduler.LinearLR(sgd, 1.0, 0.0, total_iters=total)
    rise = total // 5
    for step in range(total):
        assert falling(step, total) == pytest.approx(decay.get_last_lr()[0])
        expected = (step + 1) / rise if step < rise else (total - step) / (total - rise)
        assert rising_and_falling(step, total) == pytest.approx(expected)
        sgd.step()
        decay.step()


@pytest.mark.parametrize("share", [0.0, 0.3, 0.99])
def test_a_descent_ends_with_the_average_of_its_last_weights(share):
    class Settings:
        learning_rate, momentum, weight_decay, average = 0.1, 0.9, 1e-3, share

    network = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Linear(4, 1))
    descent, expected = Descent(network, Settings, 10), AveragedModel(network, use_buffers=True)
    inputs = torch.randn(10, 8, 3)
    for step in range(10):
        descent.step(step, network(inputs[step]).square().mean())
        if step >= 10 - round(10 * share) or (step == 9 and not share):
            expected.update_parameters(network)
    descent.finish()
    for (name, value), mean in zip(network.state_dict().items(), expected.module.state_dict().values(), strict=True):
        if value.is_floating_point():
            torch.testing.assert_close(value, mean, msg=name)


def test_an_average_over_no_step_changes_nothing():
    network = nn.Linear(2, 2)
    before = network.weight.clone()
    average = Average(network, 4, 0.0)
    average.add(3)
    average.keep()
    assert torch.equal(network.weight, before)


def test_threads_work_with_one_thread_an_operation_and_leave_it_as_it_was():
    torch.set_num_threads(2)
    try:
        ways = in_threads(lambda a, b: (a + b, torch.get_num_threads(), threading.get_ident()), [1, 2, 3], [10, 20, 30])
        assert [each[:2] for each in ways] == [(11, 1), (22, 1), (33, 1)]
        assert threading.get_ident() not in {each[2] for each in ways}
        with pytest.raises(ZeroDivisionError):
            in_threads(lambda a: 1 // a, [1, 0])
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(1)
