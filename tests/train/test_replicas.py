"""Two replicas with an uneven batch compute what one replica computes."""

from support.commands import run


def test_two_replicas_give_the_loss_and_gradients_of_one():
    result = run("tests/support/replicas.py")
    assert result.returncode == 0, result.stdout
    _, loss, gradient, *_, largest = result.stdout.splitlines()[-1].split()
    assert float(loss) < 1e-5
    assert float(gradient) < 1e-5
    assert float(largest) > 1e-3  # the gradients compared are not all zero
