"""The layers of a network that have parameters, and what keeps a quantiser off their weights."""

from collections.abc import Iterator

from attrs import frozen
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _NormBase
from torch.nn.parameter import is_lazy
from torch.nn.utils.parametrize import ParametrizationList

from qreg.errors import QregError
from qreg_codeq.quantizer import DeadZoneQuantizer

# Weights that modules ask for by name whenever they run; an LSTM keeps a list of its own instead,
# and would go on with the float ones.
TENSORS = ("weight", "in_proj_weight", "q_proj_weight", "k_proj_weight", "v_proj_weight")
NORMS = (_NormBase, nn.GroupNorm, nn.LayerNorm, nn.RMSNorm)


@frozen(eq=False)
class Layer:
    """One weight of a module, or the parameters of a module that has no weight known here."""

    paths: tuple[str, ...]  # of the module: several where it is used under several names
    module: nn.Module
    tensor: str  # "" for none

    @property
    def name(self) -> str:
        """The module's path, and the tensor's name behind it where that is not ``weight``."""
        return self.names[0]

    @property
    def names(self) -> tuple[str, ...]:
        """What a pattern may match: the names, and the paths of the module."""
        plain = self.tensor in {"", "weight"}
        whole = () if plain else (f"{path}.{self.tensor}".lstrip(".") for path in self.paths)
        return (*whole, *self.paths)

    @property
    def parametrizations(self) -> tuple[nn.Module, ...]:
        return tuple(_parametrizations(self.module).get(self.tensor, ()))

    @property
    def quantizer(self) -> DeadZoneQuantizer | None:
        return next((p for p in self.parametrizations if isinstance(p, DeadZoneQuantizer)), None)

    @property
    def weight(self) -> Tensor:
        """The stored tensor."""
        lists = _parametrizations(self.module)
        if self.tensor in lists:
            return lists[self.tensor].original
        weight = self.module.get_parameter(self.tensor)
        if is_lazy(weight):
            raise QregError(f"{self.name}: has no weight yet; run the model on an input first")
        return weight

    def obstacle(self, norms: bool) -> str:
        """Why the weight can have no quantiser; "" where it can."""
        if not self.tensor:
            found = [name for name, _ in self.module.named_parameters(recurse=False)]
            return f"its parameters are {', '.join(found)}; quantised are {', '.join(TENSORS)}"
        if self.quantizer:
            return "has a quantiser"
        if self.parametrizations:
            return f"its weight is made by {type(self.parametrizations[0]).__name__}"
        if not self.weight.is_floating_point():
            return f"its weight is of type {str(self.weight.dtype).removeprefix('torch.')}"
        if not self.weight.numel():
            return "its weight has no elements"
        return "" if norms else self._one_axis()

    def _one_axis(self) -> str:
        if isinstance(self.module, NORMS):
            return "a normalisation; norms=True includes it"
        return "" if self.weight.ndim > 1 else "a weight of one axis; norms=True includes it"


def find_layers(model: nn.Module) -> tuple[Layer, ...]:
    """Every module with parameters of its own, by weight, in the order of the model."""
    paths: dict[nn.Module, list[str]] = {}
    for path, module in model.named_modules(remove_duplicate=False):
        paths.setdefault(module, []).append(path)
    lists = [made for module in paths for made in _parametrizations(module).values()]
    inner = {module for made in lists for module in made.modules()}
    return tuple(
        Layer(tuple(names), module, tensor)
        for module, names in paths.items()
        if module not in inner
        for tensor in _tensors(module)
    )


def _parametrizations(module: nn.Module) -> dict[str, ParametrizationList]:
    """What makes the parametrised tensors of a module, by tensor."""
    lists = getattr(module, "parametrizations", None)
    found = lists.items() if isinstance(lists, nn.ModuleDict) else ()
    return {name: made for name, made in found if isinstance(made, ParametrizationList)}


def _tensors(module: nn.Module) -> Iterator[str]:
    """The weights by name; "" for other parameters, but for a bias."""
    own = {n for n, _ in module.named_parameters(recurse=False)} | {*_parametrizations(module)}
    yield from [t for t in TENSORS if t in own] or ([""] if own - {"bias"} else [])
