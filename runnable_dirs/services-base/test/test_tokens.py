from web.tokens import Tokens


def test_a_token_says_whose_it_is() -> None:
    assert Tokens("secret").user(Tokens("secret").make("ana")) == "ana"


def test_a_token_of_another_secret_says_nothing() -> None:
    assert Tokens("secret").user(Tokens("other").make("ana")) is None


def test_a_changed_token_says_nothing() -> None:
    token = Tokens("secret").make("ana")
    assert Tokens("secret").user(("B" if token[0] == "A" else "A") + token[1:]) is None


def test_an_old_token_says_nothing() -> None:
    assert Tokens("secret", seconds=-1).user(Tokens("secret").make("ana")) is None
