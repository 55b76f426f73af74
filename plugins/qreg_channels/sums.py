"""Sums of products where something is known and not zero; nothing else is computed."""

import numpy as np
from attrs import frozen

from qreg.records import Array
from qreg_channels.geometry import Geometry, data_form, outline, taps
from qreg_channels.state import State
from qreg_channels.uniform import along, compact, stretched


@frozen(eq=False)
class Part:
    """Channels of a layer: ``groups`` that are computed, of these ``inputs`` and ``outputs``.

    With one group all three are masks of channels; with more, whole groups are taken.
    """

    geometry: Geometry
    read: tuple[int, ...]  # sizes of the places read
    places: tuple[int, ...]  # and made
    groups: Array
    inputs: Array
    outputs: Array

    def weight(self, form: Array) -> Array:
        """Of the weight (groups, K / groups, C / groups, taps) what joins the chosen channels."""
        if len(form) == 1:
            return form[:, self.outputs][:, :, self.inputs]
        return form[self.groups]

    def data(self, form: Array) -> Array:
        """Of the data (N, C, *places) the chosen channels: (N or 1, groups, inputs, *places or 1)."""
        small = compact(form)
        small = stretched(small, (len(small), form.shape[1], *small.shape[2:]))
        if len(self.groups) == 1:
            return small[:, None, self.inputs]
        grouped = small.reshape(len(small), len(self.groups), -1, *small.shape[2:])
        return grouped[:, self.groups]

    @property
    def kinds(self) -> tuple[Array, ...]:
        """For each axis which kind a result is, where all places read are alike."""
        return outline(self.geometry, self.read, self.places)[1]

    def is_alike(self, data: Array) -> bool:
        """Whether all places of a channel are alike."""
        return data.shape[3:] == (1,) * len(self.read)

    def sum(self, data: Array, weight: Array, alike: bool) -> Array:
        """(N or 1, K, *places): chosen ``data`` times chosen ``weight``; if ``alike`` by kinds."""
        return self._among((self._of_alike if alike else self._of_places)(data, weight))

    def _among(self, made: Array) -> Array:
        found = np.zeros((len(made), len(self.outputs), *made.shape[2:]), made.dtype)
        found[:, self.outputs] = made
        return found

    def _of_places(self, data: Array, weight: Array) -> Array:
        """``data`` (N, groups, inputs, *places) times ``weight``, as (N, outputs, *places)."""
        data = stretched(data, (*data.shape[:3], *self.read))
        found = np.zeros((*data.shape[:2], weight.shape[1], *self.places), data.dtype)
        for tap, (inside, outside) in enumerate(taps(self.geometry, self.read, self.places)):
            part = data[:, :, :, *inside]
            if part.size and weight[..., tap].any():
                added = weight[..., tap] @ part.reshape(*part.shape[:3], -1)
                found[:, :, :, *outside] += added.reshape(*found.shape[:3], *part.shape[3:])
        return found.reshape(len(data), -1, *self.places)

    def _of_alike(self, data: Array, weight: Array) -> Array:
        """The same as (N, outputs, *kinds): results differ only by what of them is in the padding."""
        read, _ = outline(self.geometry, self.read, self.places)
        rows, groups, inputs = data.shape[:3]
        by_tap = weight.transpose(0, 3, 1, 2) @ data.reshape(rows, groups, 1, inputs, 1)
        made = np.moveaxis(by_tap[..., 0], 2, -1) @ read.reshape(len(read), -1).astype(data.dtype)
        return np.asarray(made.reshape(rows, -1, *read.shape[1:]))


def part_of(data: State, known: Array, geometry: Geometry) -> Part:
    """The part of a layer that makes something of ``known`` (N, K, *places) of known data."""
    sure = data_form(data.known, geometry)
    read, places = sure.shape[2:], known.shape[2:]
    inputs, outputs = along(sure, 1), along(known, 1)
    groups = geometry.groups
    both = inputs.reshape(groups, -1).any(1) & outputs.reshape(groups, -1).any(1)
    if groups > 1:
        outputs = np.repeat(both, outputs.size // groups)
    return Part(geometry, read, places, np.asarray(both), inputs, outputs)
