from __future__ import annotations

import pytest

from helpers.model import git_url

REFUSED = {
    "": "no URL",
    "-u./p": "begins with '-'",
    "ext::sh -c touch% PWNED": "names a program",
    "fd::17": "names a program",
    "::x": "names a program",
    "http://host.example/a": "scheme is http",
    "git://host.example/a": "scheme is git",
    "EXT://host/a": "scheme is ext",
    "ssh://-oProxyCommand=x/a": "begins with '-'",
    "ssh://-oProxyCommand=x@host.example/a": "begins with '-'",
    "-oProxyCommand=x:a": "begins with '-'",
    "git@-oProxyCommand=x:a": "begins with '-'",
    "git@host.example:-a": "begins with '-'",
    "ssh:///a": "no host",
    "https://host.example/a\nhost=other": "control character",
    "https://host.example/%0ahost=other/a": "control character",
    "https://host.example:80x/a": "port is no number",
    "/srv/a": "a path on this machine",
    "file:///srv/a": "a path on this machine",
    "srv/a": "none that git documents",
}
GOOD = (
    *("https://host.example/a.git", "https://u@host.example:8443/a", "ssh://git@host.example:2222/a", "git@host:a/b"),
    *("host:a", "ssh://[::1]/a", "git@[::1]:a", "HTTPS://host.example/a"),
)


@pytest.mark.parametrize("url", REFUSED)
def test_a_url_that_could_run_something_or_reach_this_machine_is_refused(url: str) -> None:
    assert REFUSED[url] in git_url.refusal(url, lambda: False)


@pytest.mark.parametrize("url", GOOD)
def test_https_and_ssh_are_good_and_nobody_is_asked_for_local_paths(url: str) -> None:
    assert git_url.refusal(url, lambda: pytest.fail("asked")) == ""


@pytest.mark.parametrize("url", ["/srv/a", "file:///srv/a"])
def test_a_path_on_this_machine_is_good_when_the_user_says_so(url: str) -> None:
    assert git_url.refusal(url, lambda: True) == ""


@pytest.mark.parametrize(
    "base, url, wanted",
    [
        ("https://host.example/team/top.git", "../sub.git", "https://host.example/team/sub.git"),
        ("https://host.example/team/top.git/", "../../other/sub", "https://host.example/other/sub"),
        ("git@host.example:team/top.git", "../sub.git", "git@host.example:team/sub.git"),
        ("git@host.example:top.git", "../sub.git", "git@host.example:sub.git"),
        ("ssh://host.example/top", "./inner", "ssh://host.example/top/inner"),
        ("/srv/git/top.git", "../sub.git/", "/srv/git/sub.git"),
        ("file:///srv/git/top", "../sub", "file:///srv/git/sub"),
    ],
)
def test_a_relative_url_is_resolved_as_git_does(base: str, url: str, wanted: str) -> None:
    assert git_url.is_relative(url)
    assert git_url.resolve(base, url) == wanted


def test_a_relative_url_can_not_make_a_host_of_a_path() -> None:
    with pytest.raises(ValueError, match="above the root"):
        git_url.resolve("https://host.example/top", "../../evil.example/sub")


@pytest.mark.parametrize(
    "one, other",
    [
        ("https://host.example/a/b.git", "git@host.example:a/b"),
        ("ssh://git@HOST.example:22/a/b/", "https://u:p@host.example:443/a/b.git"),
        ("file:///srv/a.git", "/srv/x/../a"),
    ],
)
def test_urls_of_one_repo_are_the_same(one: str, other: str) -> None:
    assert git_url.same(one) == git_url.same(other)


@pytest.mark.parametrize(
    "one, other",
    [
        ("https://host.example/a", "https://host.example/b"),
        ("https://host.example/a", "https://other.example/a"),
        ("ssh://host.example:2222/a", "ssh://host.example/a"),
        ("https://host.example/A", "https://host.example/a"),
    ],
)
def test_urls_of_several_repos_are_not(one: str, other: str) -> None:
    assert git_url.same(one) != git_url.same(other)


def test_passwords_are_not_shown() -> None:
    assert git_url.masked("cannot read https://ana:secret@host/a of it") == "cannot read https://***@host/a of it"
