"""New arrays, stored under the old names."""


def update(params, velocity, grads, rates):
    for name, w in list(params.items()):
        rate, decay = rates.of(name, w)
        if rate is None:
            continue
        velocity[name] = rates.momentum * velocity[name] - decay * rate * w - rate * grads[name]
        params[name] = w + velocity[name]
