"""What an earlier demo left behind is removed whole."""

from service.demo import place


def test_folders_that_are_closed_to_writers_are_removed_and_links_are_not_followed(tmp_path):
    outside = tmp_path / "outside"
    outside.mkdir(mode=0o555)
    layer = tmp_path / "demo" / "home" / "layer"
    layer.mkdir(parents=True)
    (layer / "requirements.lock").write_text("")
    (layer / "link").symlink_to(outside)
    layer.chmod(0o555)
    layer.parent.chmod(0o555)
    place.clear(place.Place(tmp_path / "demo"))
    assert not (tmp_path / "demo").exists()
    assert outside.stat().st_mode & 0o777 == 0o555
