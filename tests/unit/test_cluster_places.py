"""Clusters of ours on one machine, and those that tests start beside them, share no address and no name."""

from ipaddress import ip_interface, ip_network
from itertools import combinations
from pathlib import Path

from tests.cluster.local.place import Beside, Place


def test_no_two_share_an_address_a_name_or_a_folder():
    clusters = [Place(f"test{number}", number, Path(f"/c/test{number}"), Path("/p")) for number in range(8)]
    places = [*clusters, *(one.beside(other) for one in clusters for other in Beside)]
    assert len(places) == 32
    assert len({one.netns for one in places}) == 32
    assert len({one.folder for one in places}) == 32
    ranges = [
        network
        for one in places
        for network in (
            ip_network(one.pods),
            ip_network(one.services),
            ip_interface(f"{one.host_ip}/30").network,
        )
    ]
    assert not [pair for pair in combinations(ranges, 2) if pair[0].overlaps(pair[1])]


def test_its_own_addresses_lie_where_its_routes_lead():
    for other in Beside:
        place = Place("test", 3, Path("/c/test"), Path("/p")).beside(other)
        assert ip_interface(f"{place.node_ip}/30").network == ip_interface(f"{place.host_ip}/30").network
        assert ip_network(place.node_pods).subnet_of(ip_network(place.pods))
        assert ip_interface(place.service_ip(10)).ip in ip_network(place.services)
