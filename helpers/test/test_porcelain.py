from __future__ import annotations

from helpers.model import porcelain, submodule
from helpers.model.porcelain import Status

A, B = "a" * 40, "b" * 40


def test_the_status_of_a_checkout_is_read_with_names_of_any_kind() -> None:
    entries = [
        *(f"# branch.oid {A}", "# branch.head feature/x", "# branch.upstream origin/x", "# branch.ab +2 -3"),
        f"1 .M N... 100644 100644 100644 {A} {A} a name\nwith ? two lines",
        f"2 R. N... 100644 100644 100644 {A} {A} R100 new name",
        "? old name that looks like an entry",
        f"u UU N... 100644 100644 100644 100644 {A} {A} {A} conflict",
        f"1 .M SC.. 160000 160000 160000 {A} {A} moved submodule",
        f"1 M. SC.. 160000 160000 160000 {A} {B} staged submodule",
        *("? new dir/", "! ignored", ""),
    ]
    assert porcelain.parse_status("\0".join(entries)) == Status(A, "feature/x", 2, 3, changed=4, untracked=1)


def test_a_detached_checkout_and_one_without_commits_are_told_apart() -> None:
    assert porcelain.parse_status(f"# branch.oid {A}\0# branch.head (detached)\0") == Status(A)
    assert porcelain.parse_status("# branch.oid (initial)\0# branch.head main\0") == Status("", "main")


def test_only_gitlinks_are_read_of_an_index_and_of_a_conflict_ours() -> None:
    entries = [f"100644 {A} 0\tfile", f"160000 {A} 0\ta dir/sub", f"160000 {A} 1\tc", f"160000 {B} 2\tc", ""]
    assert porcelain.parse_gitlinks("\0".join(entries)) == {"a dir/sub": A, "c": B}


def test_settings_are_read_whatever_their_names_and_values_hold() -> None:
    pairs = porcelain.parse_config("submodule.a.b.path\nx=\ny\0submodule.a.b.update\0core.x\n1\0")
    assert pairs == [("submodule.a.b.path", "x=\ny"), ("submodule.a.b.update", ""), ("core.x", "1")]
    assert porcelain.subsections(pairs, "submodule") == {"a.b": {"path": "x=\ny", "update": ""}}


def test_two_entries_for_one_path_are_refused_and_the_worse_one_counts() -> None:
    pairs = [("submodule.../x.path", "sub"), ("submodule.good.path", "sub"), ("submodule.good.url", "https://h/a")]
    (one,) = submodule.read({"sub": A}, pairs)
    assert not one.contained
    assert one.refusals == ("two entries of .gitmodules have this path", "the name leads out of the repo")


def test_a_submodule_without_an_entry_and_an_entry_without_a_submodule_are_found() -> None:
    stray, listed = submodule.read({"stray": A}, [("submodule.x.path", "z"), ("submodule.x.url", "https://h/a")])
    assert (stray.path, stray.listed, stray.pin) == ("stray", False, A)
    assert (listed.path, listed.listed, listed.pin) == ("z", True, "")
