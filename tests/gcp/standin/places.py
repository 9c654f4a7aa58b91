# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Google's regions and zones."""

from __future__ import annotations

__all__ = ["REGIONS", "is_place", "is_zone", "region_of"]

_NUMBERS = {
    "africa-south": "1",
    "asia-east": "12",
    "asia-northeast": "123",
    "asia-south": "12",
    "asia-southeast": "123",
    "australia-southeast": "12",
    "europe-central": "2",
    "europe-north": "12",
    "europe-southwest": "1",
    "europe-west": "1234689",
    "me-central": "12",
    "me-west": "1",
    "northamerica-northeast": "12",
    "northamerica-south": "1",
    "southamerica-east": "1",
    "southamerica-west": "1",
    "us-central": "1",
    "us-east": "145",
    "us-south": "1",
    "us-west": "1234",
}
REGIONS = tuple(sorted([a + n for a, ns in _NUMBERS.items() for n in ns] + ["europe-west10", "europe-west12"]))


def is_zone(place: str) -> bool:
    """Whether it is a zone of a region: ``us-west1-a``."""
    region, _dash, letter = place.rpartition("-")
    return region in REGIONS and letter in tuple("abcdf")


def is_place(place: str) -> bool:
    """Whether a cluster can be there."""
    return place in REGIONS or is_zone(place)


def region_of(place: str) -> str:
    """The region of a zone; a region is its own."""
    return place.rpartition("-")[0] if is_zone(place) else place
