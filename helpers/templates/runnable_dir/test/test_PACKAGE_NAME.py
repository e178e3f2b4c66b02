from PACKAGE_NAME.words import most_common


def test_the_most_frequent_word_comes_first() -> None:
    assert most_common("to be or not to Be to", 2) == [("to", 3), ("be", 2)]


def test_a_text_without_words_has_none() -> None:
    assert most_common(" \n", 3) == []
