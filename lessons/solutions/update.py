"""The momentum rule (section 5), in place."""


def update(params, velocity, grads, rates):
    """v <- momentum v - decay rate w - rate g;   w <- w + v."""
    for name, w in params.items():
        v, g = velocity[name], grads[name]
        rate, decay = rates.of(name, w)
        if rate is None:  # frozen
            continue
        v[...] = rates.momentum * v - decay * rate * w - rate * g  # into the array that is there
        w += v
