"""The rate in front of all of it, and the in-place operators."""


def update(params, velocity, grads, rates):
    for name in params:
        rate, decay = rates.of(name, params[name])
        if rate is not None:
            velocity[name] *= rates.momentum
            velocity[name] -= rate * (grads[name] + decay * params[name])
            params[name] += velocity[name]
