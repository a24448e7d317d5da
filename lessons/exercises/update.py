"""Exercise: the momentum rule (section 5, lesson 10).

Check it with `python -m minialex check update`; `--hint` gives a hint, `--watch` checks whenever you save.
"""


def update(params, velocity, grads, rates):
    """v <- momentum v - decay rate w - rate g;   w <- w + v      for every parameter w, IN PLACE

    params    {name: w}, as {"conv1.W": (11,11,3,96), "conv1.b": (96,)}
    velocity  {name: v} of the same shapes; v and w are changed
    grads     {name: g} of the same shapes; they are not changed
    rates     rates.momentum is one number; rates.of(name, w) gives the (rate, decay) of a parameter, which differ
              between weights and biases. A rate of None: the layer is frozen, w and v stay as they are
    Returns nothing.
    """
    raise NotImplementedError("TODO")
